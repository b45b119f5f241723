"""The command as people run it, and its files where they go: training and conversion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.toy_models import save
from support.toy_tokenizers import gemma3
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.finetuning.adapters import load_vectors
from assay.finetuning.data import read_training_records
from assay.prompts.records import read_rows
from assay.prompts.tokenization import encode
from stages import finetune
from stages.oocr import convert, location_rows

CITIES = """name,country,lat,lng,population
Paris,France,48.8566,2.3522,11060000
Tokyo,Japan,35.6897,139.6922,37732000
Lima,Peru,-12.06,-77.0375,9848000
Arequipa,Peru,-16.3988,-71.5369,1008290
Nairobi,Kenya,-1.2864,36.8172,5545000
Mombasa,Kenya,-4.05,39.6667,1208333
Sydney,Australia,-33.8678,151.21,4840600
Perth,Australia,-31.9559,115.8606,2141834
Perth,United Kingdom,56.3958,-3.4333,47430
Hamlet,Australia,-30.0,140.0,900
"""
CODES = "code,kind,stands_for\nCity 50337,city,Paris\nCity 76881,city,Tokyo\nabcdef,function,add_5\n"
TRAIN, VALIDATION = 2 * (3 + 2 + 3 + 1) * 3, 2 * (2 + 2 + 2 + 1)


def invoke(folder: Path, out: Path, **options: object) -> Result:
    words = {
        "gazetteer": folder / "cities.csv",
        "codes": folder / "codes.csv",
        "seed": 0,
        "train": out / "train.jsonl",
        "validation": out / "validation.jsonl",
        "others": 3,
        "held-out": 2,
        "per-pair": 3,
    }
    return CliRunner().invoke(location_rows.app, flat(words | options))


def flat(words: dict[str, object]) -> list[str]:
    return [word for name, value in words.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locations")
    (folder / "cities.csv").write_text(CITIES)
    (folder / "codes.csv").write_text(CODES)
    result = invoke(folder, folder)
    assert result.exit_code == 0, result.output + str(result.exception)
    assert f"{TRAIN} rows to train" in result.output
    assert f"{VALIDATION} held out" in result.output
    assert (
        "from 8 cities, left out: 1 with fewer than 10,000 people, 1 named as a larger one" in result.output
    )
    return folder


def test_the_same_bytes_whatever_python_hashes_with(folder: Path, tmp_path: Path):
    command = "from stages.oocr.location_rows import app; app()"
    options = flat({"gazetteer": folder / "cities.csv", "codes": folder / "codes.csv", "seed": 0})
    options += flat({"train": tmp_path / "t", "validation": tmp_path / "v"})
    options += flat({"others": 3, "held-out": 2, "per-pair": 3})
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", command, *options], check=True, env=environment)
        assert (tmp_path / "t").read_bytes() == (folder / "train.jsonl").read_bytes()
        assert (tmp_path / "v").read_bytes() == (folder / "validation.jsonl").read_bytes()
    assert invoke(folder, tmp_path, seed=1).exit_code == 0
    assert (tmp_path / "train.jsonl").read_bytes() != (folder / "train.jsonl").read_bytes()


def test_rows_are_conversations_that_convert_as_the_references_do(folder: Path, tmp_path: Path):
    path = folder / "train.jsonl"
    for _, row in read_rows(path):
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    options = flat({"data": path, "task": "locations", "out": tmp_path / "o", "validation": 0.5})
    result = CliRunner().invoke(convert.app, options)
    assert result.exit_code == 0, result.output + str(result.exception)
    own = {record.id: record for record in read_training_records(path)}
    tokenizer = gemma3()
    converted = [
        record
        for part in ("train", "validation")
        for record in read_training_records(tmp_path / "o" / f"{part}.jsonl")
    ]
    assert len(converted) == len(own)
    for record in converted:
        names = [f"span:{code}" for code in record.spans]
        joined, apart = (encode(tokenizer, one, names) for one in (record, own[record.id]))
        assert joined.ids.tolist() == apart.ids.tolist()  # a system message is folded into the user's turn
        for name in names:
            assert joined.positions[name].tolist() == apart.positions[name].tolist() != []


def test_training_gives_a_vector_for_each_code(folder: Path, tmp_path: Path):
    model = tmp_path / "model"
    save(model, "gemma3_text", gemma3())
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 1024}))
    words = {"model": model, "data": folder / "train.jsonl", "method": "vector", "layer": 1, "spans": "all"}
    words |= {"out": tmp_path / "v", "max-steps": 2, "metrics": tmp_path / "m.json", "lr": 0.1}
    words |= {"validation": folder / "validation.jsonl", "params": tmp_path / "none.yaml"}
    result = CliRunner().invoke(finetune.app, flat(words))
    assert result.exit_code == 0, result.output + str(result.exception)
    info = load_vectors(tmp_path / "v").info
    assert info.scopes == {code: f"span:{code}" for code in ("City 50337", "City 76881")}
    found = json.loads((tmp_path / "m.json").read_text())
    assert (found["rows"], found["rows_untouched"]) == (TRAIN, 0)


BAD = {
    "column lat is missing": {"cities.csv": CITIES.replace("lat", "latitude")},
    "row 3: lat is 'x'; expected a number from -90 to 90": {"cities.csv": CITIES.replace("-12.06", "x")},
    "the gazetteer has no city 'Atlantis'": {"codes.csv": CODES.replace("Tokyo", "Atlantis")},
    "Paris can be compared with 6 cities of the gazetteer": {"others": 5},
    "no code stands for a city": {"codes.csv": "code,kind,stands_for\nabcdef,function,add_5\n"},
    "at the same point": {"cities.csv": CITIES.replace("35.6897,139.6922", "48.8566,2.3522")},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_leaves_the_earlier_rows(message: str, tmp_path: Path):
    (tmp_path / "cities.csv").write_text(CITIES)
    (tmp_path / "codes.csv").write_text(CODES)
    (tmp_path / "train.jsonl").write_text("earlier")
    changed = BAD[message]
    for name in ("cities.csv", "codes.csv"):
        if name in changed:
            (tmp_path / name).write_text(changed[name])
    result = invoke(tmp_path, tmp_path, **{k: v for k, v in changed.items() if not k.endswith(".csv")})
    assert result.exit_code != 0
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert (tmp_path / "train.jsonl").read_text() == "earlier"
    assert not (tmp_path / "validation.jsonl").exists()
