"""What the comparison of vectors reads: tables of code names and stems, and folders of adapters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.directions.naive import NamePair, Stem
from assay.errors import AssayError
from assay.finetuning.adapters import DESCRIPTION
from assay.storage.csv_tables import iter_rows


@dataclass(frozen=True)
class VectorPlan:
    """What is compared, in words: `[NAME[:KIND]=]FOLDER` of each training and `[NAME=]FILE` of each text."""

    adapters: list[str]
    texts: list[str]


@dataclass(frozen=True)
class AdapterRuns:
    """The runs (folder by name; "" where there is one) of an adapter that is called `name`.

    `kind` is the kind of code names that it was trained on, "" where it is about none.
    """

    name: str
    kind: str
    runs: dict[str, Path]


def find_adapter(text: str) -> AdapterRuns:
    """`[NAME[:KIND]=]FOLDER`: an adapter's folder, or one that holds a folder for each run. A name is the folder's own.

    Raises AssayError for a folder without an adapter.
    """
    label, _, place = text.rpartition("=")
    folder = Path(place)
    name, _, kind = label.partition(":")
    if (folder / DESCRIPTION).is_file():
        runs = {"": folder}
    else:
        runs = {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{DESCRIPTION}"))}
    if not runs:
        raise AssayError(
            f"{folder} holds no adapter; give a folder that the fine-tuning stage wrote, or check the path"
        )
    return AdapterRuns(name or folder.name, kind, runs)


def read_codes(path: Path) -> dict[str, list[NamePair]]:
    """kind → pairs of code and real name, in order, from a CSV with the columns code, kind, stands_for.

    Raises AssayError naming the line of a code that is empty or occurs twice.
    """
    found: dict[str, list[NamePair]] = {}
    seen: set[str] = set()
    for line, row in _rows(path, ("code", "kind", "stands_for")):
        code, kind, real = row["code"], row["kind"], row["stands_for"]
        if not code or not kind or not real or code in seen:
            raise AssayError(f"{path}, line {line}: a field is empty or the code {code!r} occurs twice")
        seen.add(code)
        found.setdefault(kind, []).append(NamePair(code, real))
    return found


def read_stems(path: Path) -> dict[str, list[Stem]]:
    """kind → stems from a CSV with the columns kind, template and, where some are questions to a chat model, form.

    The form `statement` (or none) is plain text, every other one a user's message.
    """
    found: dict[str, list[Stem]] = {}
    for line, row in _rows(path, ("kind", "template")):
        try:
            stem = Stem(row["template"], chat=row.get("form", "statement") not in ("", "statement"))
        except AssayError as error:
            raise AssayError(f"{path}, line {line}: {error}") from error
        found.setdefault(row["kind"], []).append(stem)
    return found


def read_related(path: Path) -> dict[str, set[str]]:
    """adapter's name → the words that speak of what it was trained on, from a CSV with the columns adapter, word."""
    found: dict[str, set[str]] = {}
    for _, row in _rows(path, ("adapter", "word")):
        found.setdefault(row["adapter"], set()).add(row["word"].strip().lower())
    return found


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """(line, row) of a CSV that has these columns and at least one row."""
    rows = list(iter_rows(path, columns))
    if not rows:
        raise AssayError(f"{path} needs the columns {', '.join(columns)} and at least one row")
    return rows
