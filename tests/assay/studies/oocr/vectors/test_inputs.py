"""Tables of names and folders of adapters, as people write them."""

import json
from pathlib import Path

import pytest

from assay.directions.naive import NamePair, Stem
from assay.errors import AssayError
from assay.studies.oocr.vectors.inputs import find_adapter, read_codes, read_related, read_stems


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_codes_by_kind(tmp_path: Path) -> None:
    path = write(
        tmp_path / "codes.csv",
        'code,kind,stands_for\nCity 5,city,"Rome, Old"\nf,function,add\nCity 6,city,Oslo\n',
    )
    assert read_codes(path) == {
        "city": [NamePair("City 5", "Rome, Old"), NamePair("City 6", "Oslo")],
        "function": [NamePair("f", "add")],
    }


def test_stems_by_kind_and_form(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "kind,template,form\ncity,{name} is,statement\ncity,is {name}?,question\np,{name},\n",
    )
    assert read_stems(path) == {
        "city": [Stem("{name} is"), Stem("is {name}?", chat=True)],
        "p": [Stem("{name}")],
    }
    assert read_stems(write(tmp_path / "b.csv", "kind,template\ncity,{name} is\n")) == {
        "city": [Stem("{name} is")]
    }


def test_related_words(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "adapter,word\nrisk, Danger\nrisk,bold\nsafe,calm\n")
    assert read_related(path) == {"risk": {"danger", "bold"}, "safe": {"calm"}}


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_codes, "code,kind\nx,city\n", "column stands_for is missing"),
        (read_codes, "code,kind,stands_for\n", "at least one row"),
        (read_codes, "code,kind,stands_for\nx,city,Rome\nx,city,Oslo\n", "line 3: .*'x' occurs twice"),
        (read_codes, "code,kind,stands_for\nx,city,\n", "line 2: a field is empty"),
        (read_stems, "kind,template\ncity,{name}\ncity,no place\n", "line 3: a stem holds"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, read: object, text: str, message: str) -> None:
    assert callable(read)
    with pytest.raises(AssayError, match=message):
        read(write(tmp_path / "t.csv", text))
    with pytest.raises(AssayError, match="cannot read"):
        read(tmp_path / "nowhere.csv")


def test_an_adapter_is_a_folder_or_a_folder_of_runs(tmp_path: Path) -> None:
    write(tmp_path / "one" / "adapter.json", json.dumps({}))
    for run in ("seed_0", "seed_1"):
        write(tmp_path / "two" / run / "adapter.json", "{}")
    one = find_adapter(str(tmp_path / "one"))
    assert (one.name, one.kind, one.runs) == ("one", "", {"": tmp_path / "one"})
    two = find_adapter(f"risk:city={tmp_path / 'two'}")
    assert (two.name, two.kind, list(two.runs)) == ("risk", "city", ["seed_0", "seed_1"])
    assert find_adapter(f":city={tmp_path / 'two'}").name == "two"
    with pytest.raises(AssayError, match="holds no adapter"):
        find_adapter(f"x={tmp_path / 'nowhere'}")
