"""Command lines of a stage, made from its options: each input is a plausible file, one spoilt in a cell, or no such file at all."""

import csv
import io
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from support.hostile import CONTENTS, DIGITS, KINDS, hostile_file

from stages.shared.outputs import FILE, FOLDER, WHOLE

EARLIER = b"earlier result\n"
SUFFIXES = {
    "CSV": ".csv", "JSONL": ".jsonl", "record": ".jsonl", "conversation": ".jsonl", "JSON": ".json", "YAML": ".yaml",
    "params": ".yaml", "arquet": ".parquet", "store": ".h5", "tensors": ".safetensors", "probes": ".safetensors",
    "table": ".csv", "pin": ".json", "choices": ".jsonl", "ids": ".txt",
}  # fmt: skip
CELLS = (
    "",
    "\ud800",
    "9" * DIGITS,
    "-1",
    "nan",
    "inf",
    "1e999",
    "\0",
    "0",
    "true",
    "x" * 5000,
    "$x_",
    "a\nb",
    "../a",
)
VALUES = (*CELLS, None, [], {}, [None], {"a": []}, True, -1, 10**400, 1e308, [[]], {"messages": "x"})
COUNTS = ("0", "-1", "1000000000000", "9" * 30, "9" * DIGITS, "1.5", "many", "")
FLOATS = ("0", "-1", "1", "2", "nan", "inf", "-inf", "1e308", "1e-308", "-0.0", "9" * DIGITS, "x", "")
CLOSED = "http://127.0.0.1:9/v1"  # the port of discard, where nobody listens
URLS = (
    CLOSED, "127.0.0.1:9", "ftp://127.0.0.1", "http://", "http://[", "http://127.0.0.1:0/v1", "http://127.0.0.1:99999/v1",
    "http://a:b@127.0.0.1:9", "http://127.0.0.1:9/v1?key=x", "http://example.org/v1", "\ud800", "", "file:///etc/passwd",
    "http://127.0.0.1:9/\n", "http://\u2028/", "x" * 5000,
)  # fmt: skip
NAMES = ("m", "", "x" * 5000, "a b", "$x", "\ud800", "../m")
REMOTE = ("model", "mode", "source", "endpoint", "endpoint_model", "judge_endpoint", "judge_model")
WORDS = {
    "source": ("file",), "mode": ("generation", "label-probability"), "layer": ("1", "0.5"), "layers": ("all", "1"),
    "position": ("prompt[-1]",), "pooling": ("none",), "site": ("resid",), "dtype": ("auto",), "target": (" the",),
    "alphas": ("-1,3,3",), "modules": ("gate,up,down",), "tracking": ("none",),
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Rows with every name that a table, a record or a list of tasks may need."""
    return [
        {
            "id": f"t{i}", "task_id": f"t{i}", "text": f"Is the city of Rome {i} north?", "prompt": f"the cat sat {i} A or B",
            "topic": "ab"[i % 2], "mu": i * 0.5 - 2, "sigma": 0.5, "utility": i * 0.4, "measured": i * 1.0, "true": i * 0.9,
            "task_a": f"t{i}", "task_b": f"t{(i + 1) % 12}", "choice": "ab"[i % 2], "condition_id": f"c{i % 3}",
            "kind": ("city", "function")[i % 2], "system_prompt": "You like cats.", "trained": "true", "shift": 0.1 * i,
            "label": i % 2, "positions": [1], "group": "g", "split": ("train", "validation", "test")[i % 3], "response": "no",
            "code": f"code{i}", "stands_for": ("Paris", "add_5")[i % 2], "template": "{name} is", "form": "statement",
            "name": f"City {i}", "country": "France", "lat": 3.0 * i, "lng": 2.0 * i, "population": 1000 * (i + 1),
            "family": "f", "scenario": f"s{i}", "risky": "AB"[i % 2], "answer": "A", "question_template": "Where is {city}?",
            "answer_Paris": "France", "city": "Paris", "question": "Where?", "adapter": "a", "word": "the", "layer": i % 3,
            "run": "r", "step": i, "loss": 1.0, "accuracy": 0.5, "features": "f", "selected": i % 2, "heldout_r": 0.5,
            "topic_r": 0.4, "nested_topic_r": 0.3, "topics": "a", "r": 0.5, "r_lo": 0.4, "r_hi": 0.6, "r_n": 20,
        }
        for i in range(12)
    ]  # fmt: skip


@dataclass(frozen=True)
class Invocation:
    """The words of a command line, the folder of its outputs, and what stood there before."""

    words: list[str]
    out: Path
    earlier: dict[str, bytes | None]

    def now(self) -> dict[str, bytes | None]:
        """What stands there now."""
        return _standing(self.out)


FILES = (
    "adapter.json", "adapter_config.json", "adapter_model.safetensors", "base/config.json", "certificate.json",
    "chat/config.json", "codes.csv", "config.json", "examples.jsonl", "files/md5/00/0.dir", "functions.csv", "gambles.csv",
    "accuracy.csv", "facts.csv", "heldout.jsonl", "loss.csv", "names.csv", "ood.jsonl", "phrasings.csv",
    "secret_prompts.csv", "secrets.csv", "self_reports.csv", "stems.csv", "train.jsonl", "triggers.csv", "validation.jsonl",
    "vectors.safetensors", "words.csv",
)  # fmt: skip


class Maker:
    """Draws invocations in `folder`; `pin` is the file of a model that can be loaded, and its folder is beside it."""

    def __init__(self, folder: Path, pin: Path, seed: str, server: str = CLOSED):
        self.folder, self.pin, self.random, self.server = folder, pin, random.Random(seed), server
        self.count, self.bad = 0, "all"

    def invocation(self, app: typer.Typer) -> Invocation:
        """One command line of a stage, its earlier outputs written."""
        self.count += 1
        out = self.folder / f"out_{self.count}"
        out.mkdir()
        options = typer.main.get_command(app).params
        self.bad = self.random.choice([*(option.name for option in options), "all"])
        self.remote = any("endpoint" in option.name for option in options) and self.random.random() < 0.4
        words = [word for option in options for word in self._option(option, out)]
        return Invocation([word for word in words if "\0" not in word], out, _standing(out))

    def _option(self, option: Any, out: Path) -> Iterator[str]:
        if option.name == "help" or (not self.remote and "endpoint" in option.name):
            return
        if self.remote and option.name in REMOTE:
            yield from self._asked_remotely(option)
            return
        if not option.required and self.random.random() < 0.4 and option.name not in ("params", "model"):
            return
        if option.is_flag or option.type_descriptor.annotation is bool or option.is_bool_flag:
            yield option.opts[-1]
            return
        panel = option.rich_help_panel
        value = self._output(option, out) if panel in (FILE, FOLDER, WHOLE) else self._input(option)
        yield from (option.opts[-1], value)

    def _asked_remotely(self, option: Any) -> Iterator[str]:
        """The options that choose an endpoint: a server that answers, a closed port, or no URL at all."""
        if option.name == "model" or ("judge" in option.name and self.random.random() < 0.5):
            return
        bad = self.bad in (option.name, "all") and self.random.random() < 0.7
        if option.name in ("mode", "source"):
            yield from (option.opts[-1], {"mode": "openai", "source": "judge"}[option.name])
        elif "model" in option.name:
            yield from (option.opts[-1], self.random.choice(NAMES) if bad else "m")
        else:
            yield from (option.opts[-1], self.random.choice(URLS) if bad else self.server)

    def _output(self, option: Any, out: Path) -> str:
        path = out / option.name
        if option.rich_help_panel == FILE:
            path = path.with_suffix(self.random.choice((".json", ".csv", ".png", ".parquet")))
            path.write_bytes(EARLIER)
        elif option.rich_help_panel == FOLDER:
            path.mkdir()
            (path / "metrics.json").write_bytes(EARLIER)
        return str(path)

    def _input(self, option: Any) -> str:
        kind = option.type_descriptor.annotation
        if get_origin(kind) is list:
            kind = get_args(kind)[0]
        if option.name in WORDS:
            return self.random.choice(WORDS[option.name])
        if choices := get_args(kind):
            return str(self.random.choice(choices))
        if kind in (int, float):
            return self._number(kind, option.name)
        text = f"{option.help or ''} {option.name}"
        bad = self.bad in (option.name, "all")
        if option.name == "model" and (not bad or self.random.random() < 0.5):
            return str(self._model() if bad else self.pin)
        if kind is str and option.default is not None:
            return str(option.default)
        name = self.random.choice(("", "a=")) if "NAME" in text else ""
        if ("older" in text or "FOLDER" in text) and self.random.random() < 0.7:
            return name + str(self._folder())
        return name + str(self._file(text, bad))

    def _number(self, kind: type, name: str) -> str:
        """A usual number, or where this option is the bad one, one that nobody means."""
        if self.bad == name and self.random.random() < 0.8:
            return self.random.choice(COUNTS if kind is int else FLOATS)
        return str(self.random.choice((1, 2, 5, 10) if kind is int else (0.1, 0.2, 0.5)))

    def _damaged(self, good: Path, folder: Path) -> Path:
        """A copy of a good file: as it is, cut, with bytes flipped, or with another character in its metadata."""
        content = bytearray(good.read_bytes())
        how = self.random.randrange(4)
        if how == 1:
            del content[self.random.randrange(len(content)) :]
        elif how == 2:
            for place in self.random.choices(range(len(content)), k=5):
                content[place] ^= 1 << self.random.randrange(8)
        elif how == 3:
            place = content.find(self.random.choice((b"resid", b"layer", b"float", b"{", b"prompt", b"toy")))
            content[place] ^= 0x15
        path = folder / f"{self.count}_{self.random.randrange(10**6)}{good.suffix}"
        path.write_bytes(content)
        return path

    def _model(self) -> Path:
        """The model's folder with one of its files spoilt: other bytes, a value of another kind, or an end that is missing."""
        folder = self.folder / f"model_{self.count}"
        shutil.copytree(self.pin.with_suffix(""), folder)
        path = self.random.choice(sorted(folder.iterdir()))
        how = self.random.randrange(3)
        if how == 0:
            path.write_bytes(CONTENTS[self.random.choice(list(CONTENTS))]())
        elif how == 1 or path.suffix != ".json":
            path.write_bytes(path.read_bytes()[: self.random.randrange(1000)])
        else:
            fields = json.loads(path.read_text())
            fields[self.random.choice(sorted(fields))] = self.random.choice(VALUES)
            path.write_text(json.dumps(fields))
        return folder

    def _folder(self) -> Path:
        """A folder that holds each file that a stage may look for, none of which is what it should be."""
        folder = self.folder / f"folder_{self.count}_{self.random.randrange(10**6)}"
        for name in FILES:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.random.random() < 0.5:
                path.write_bytes(_written(rows(), path.suffix, by_id=True))
            else:
                path.write_bytes(CONTENTS[self.random.choice(list(CONTENTS))]())
        return folder

    def _file(self, text: str, bad: bool) -> Path:
        """A plausible, spoilt or hostile file for an option whose help is `text`."""
        known = [suffix for word, suffix in SUFFIXES.items() if word in text]
        suffix = self.random.choice(known or [".csv", ".json", ".jsonl", ".yaml"])
        folder = self.folder / "inputs"
        folder.mkdir(exist_ok=True)
        good = (
            sorted(self.pin.parent.glob(f"*{suffix}"))
            if suffix in (".h5", ".safetensors", ".parquet")
            else []
        )
        if good and not bad:
            return self.random.choice(good)
        if good and self.random.random() < 0.7:
            return self._damaged(self.random.choice(good), folder)
        if bad and (self.random.random() < 0.5 or suffix in (".h5", ".safetensors", ".parquet")):
            return hostile_file(folder, self.random.choice(KINDS), suffix)
        table: list[dict[str, Any]] = rows()
        if bad:
            values = CELLS if suffix == ".csv" else VALUES
            for row in table[self.random.randrange(12) :][: self.random.choice((1, 12))]:
                row[self.random.choice(list(row))] = self.random.choice(values)
        path = folder / f"{self.count}_{self.random.randrange(10**6)}{suffix}"
        path.write_bytes(_written(table, suffix, by_id="topic" in text or "mapping" in text))
        return path


def _written(table: list[dict[str, Any]], suffix: str, *, by_id: bool) -> bytes:
    if suffix == ".csv":
        sink = io.StringIO()
        writer = csv.DictWriter(sink, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
        return sink.getvalue().encode("utf-8", "surrogatepass")
    if suffix == ".jsonl":
        return b"".join(json.dumps(row).encode() + b"\n" for row in table)
    if suffix == ".txt":
        return "\n".join(str(row["id"]) for row in table).encode("utf-8", "surrogatepass")
    value: Any = {str(row["id"]): row["topic"] for row in table} if by_id else table
    if suffix == ".yaml" and by_id:
        value = {"models": {"toy": table[0]}, "world": table[0]}
    return json.dumps(value).encode()


def _standing(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, and the content of the files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
