"""The replay of a history of five commits, whose reruns are counted by hand."""

import subprocess
from pathlib import Path

import pytest
from support.mini_repository import edit, write_mini_repository
from typer import Typer
from typer.testing import CliRunner

from tools.dependency_cost import changes, dependency_cost


def git(root: Path, *words: str) -> None:
    name = ("-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *name, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-m", "change")


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Four commits after the first: edited under an old name, only renamed, a neighbour in a folder, prose."""
    root = write_mini_repository(tmp_path)
    (root / "assay/pages/render.py").rename(root / "assay/draw.py")
    git(root, "init", "-q")
    commit(root)
    edit(root, "assay/draw.py", "TEMPLATE", "PAGE = TEMPLATE")
    commit(root)
    (root / "assay/draw.py").rename(root / "assay/pages/render.py")
    commit(root)
    (root / "assay/pages/other.py").write_text("NOBODY = 'imports this'\n")
    commit(root)
    (root / "assay/pages/README.md").write_text("Prose.\n")
    edit(root, "stages/words/count.py", "'ran'", "'ran on'")
    commit(root)
    return root


def test_files_go_by_the_names_they_have_today(history: Path) -> None:
    assert list(changes(history, 4)) == [
        {"stages/words/count.py"},
        {"assay/pages/other.py"},
        set(),
        {"assay/pages/render.py"},
    ]


def test_a_folder_costs_a_rerun_for_a_neighbour(history: Path) -> None:
    app = Typer()
    app.command()(dependency_cost)
    result = CliRunner().invoke(app, ["--root", str(history), "--commits", "4"])
    assert [line.split()[:3] for line in result.output.splitlines()] == [
        ["stage", "files", "folders"],
        ["make", "0", "0"],
        ["all_make", "0", "0"],
        ["words/count", "2", "2"],  # one commit, two items
        ["words/view", "1", "2"],
        ["all", "3", "4"],
    ]
