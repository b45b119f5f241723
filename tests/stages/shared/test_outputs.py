"""Outputs are known to be such, checked before any work, and written all or none."""

import itertools
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import pytest
import typer
import typer.main
from ruamel.yaml import YAML

from assay.errors import AssayError
from assay.storage.files import write_text
from assay.storage.folders import atomic_folder
from stages.shared.cli import run
from stages.shared.outputs import FILE, FOLDER, WHOLE

ROOT = Path(__file__).parents[3]
app = typer.Typer()


@app.command()
def work(
    data: Annotated[list[str], typer.Option()],
    out: Annotated[Path, typer.Option(rich_help_panel=FILE)],
    metrics: Annotated[Path | None, typer.Option(rich_help_panel=FILE)] = None,
    plots: Annotated[Path, typer.Option(rich_help_panel=FOLDER)] = Path("plots"),
    sets: Annotated[Path, typer.Option(rich_help_panel=WHOLE)] = Path("sets"),
    bad: bool = False,
) -> None:
    """Write everything, then fail where asked to."""
    assert data
    write_text(out, "new")
    if metrics is not None:
        write_text(metrics, "new")
    write_text(plots / "a.csv", "new")
    with atomic_folder(sets, ("b",)) as folder:
        write_text(folder / "b", "new")
    if bad:
        raise AssayError("no")


def call(monkeypatch: pytest.MonkeyPatch, command: str) -> int:
    monkeypatch.setattr(sys, "argv", ["work", *shlex.split(command)])
    with pytest.raises(SystemExit) as stop:
        run(app)
    return int(stop.value.code or 0)


def everything(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("in.csv", "inputs/more.csv", "plots/a.csv", "sets/b"):
        write_text(tmp_path / name, "old")
    (tmp_path / "link.csv").symlink_to("in.csv")
    return tmp_path


def test_all_outputs_are_written_or_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(home)
    assert call(monkeypatch, "--data in.csv --out out.csv --bad") == 1
    assert everything(home) == before
    assert call(monkeypatch, "--data in.csv --out out.csv --metrics m.json") == 0
    assert everything(home) == {
        **before, "out.csv": "new", "m.json": "new", "plots/a.csv": "new", "sets/b": "new",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("--data in.csv --out in.csv", "--out and --data are the same"),
        ("--data in.csv --out link.csv", "--out and --data are the same"),
        ("--data NAME=in.csv --out ./in.csv", "--out and --data are the same"),
        ("--data x --data in.csv --out plots/../in.csv", "--out and --data are the same"),
        ("--data in.csv --out a --metrics ./a", "--out and --metrics are the same"),
        ("--data in.csv --out a --plots sets", "--plots and --sets are the same"),
        (
            "--data inputs/more.csv --out a --sets inputs",
            "--data is in .*, the folder --sets, which is replaced",
        ),
        ("--data in.csv --out sets/a", "--out is in .*, the folder --sets, which is replaced"),
        ("--data in.csv --out plots", "cannot write plots: a folder is there"),
        ("--data in.csv --out a --plots link.csv", r"cannot write link\.csv: a file is there"),
        ("--data in.csv --out a --sets in.csv", r"cannot write in\.csv: a file is there"),
        ("--data in.csv --out in.csv/a", "cannot write in.csv/a: Not a directory"),
        ("--data in.csv --out /dev/null", "cannot write /dev/null: a device is there"),
    ],
)
def test_outputs_that_would_destroy_something_are_refused(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    message: str,
) -> None:
    before = everything(home)
    assert call(monkeypatch, command) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert everything(home) == before


def test_outputs_within_a_folder_that_is_added_to_are_fine(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "--data in.csv --out plots/out.csv --metrics plots/m.json") == 0
    assert {"plots/out.csv", "plots/m.json"} <= set(everything(home))


def pipeline() -> list[tuple[str, list[str]]]:
    """(command line, outputs as they are written in it) of every stage of every dvc.yaml."""
    found = []
    for path in [ROOT / "dvc.yaml", *sorted((ROOT / "stages").rglob("dvc.yaml"))]:
        for stage in YAML(typ="safe").load(path)["stages"].values():
            body = stage.get("do", stage)
            outputs = [
                next(iter(one)) if isinstance(one, dict) else one
                for kind in ("outs", "metrics", "plots")
                for one in body.get(kind, [])
            ]
            found.append((body["cmd"], outputs))
    return found


@pytest.mark.parametrize(("command", "outputs"), pipeline())
def test_every_output_of_the_pipeline_says_that_it_is_one(command: str, outputs: list[str]) -> None:
    words = shlex.split(command)
    params = typer.main.get_command(import_module(words[2]).app).params
    marked = {
        option
        for p in params
        if getattr(p, "rich_help_panel", None) in (FILE, FOLDER, WHOLE)
        for option in p.opts
    }
    places = [value for option, value in itertools.pairwise(words) if option in marked]
    places += [place.removesuffix(".csv") + ".png" for place in places]  # `contexts` draws beside its table
    for output in outputs:
        assert any(Path(output).is_relative_to(place) for place in places), output
