"""`make deps` writes exactly what the check asks for and touches nothing else."""

from pathlib import Path

import pytest
from support.mini_repository import edit, write_mini_repository
from typer import Typer
from typer.testing import CliRunner

from tools.checks import code_is_declared
from tools.code_deps import code_deps
from tools.pipeline import read_pipeline

WORDS = "stages/words/dvc.yaml"
app = Typer()
app.command()(code_deps)


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    return write_mini_repository(tmp_path)


def test_a_complete_file_is_left_byte_for_byte(mini: Path) -> None:
    before = (mini / "dvc.yaml").read_bytes()
    result = CliRunner().invoke(app, ["--root", str(mini)])
    assert result.exit_code == 0
    assert "up to date" in result.output
    assert (mini / "dvc.yaml").read_bytes() == before


def test_missing_code_is_added_foreign_code_removed_and_comments_stay(mini: Path) -> None:
    edit(mini, WORDS, "    - assay/deep/inner.py\n", "")
    edit(mini, WORDS, "    - stages/words/view.py\n", "    - stages/words/view.py\n    - assay/unused.py\n")
    result = CliRunner().invoke(app, ["--root", str(mini)])
    assert result.output == "code dependencies of words/count, words/view\n"
    assert code_is_declared(read_pipeline(mini)) == []
    text = (mini / WORDS).read_text()
    assert "${words.count} --metrics" in text
    assert "    - stages/words/count.py\n    - data/words.txt\n" in text


def test_a_stage_without_deps_gets_them_behind_its_params(mini: Path) -> None:
    edit(
        mini,
        "dvc.yaml",
        "    deps:\n    - stages/make.py\n    outs:\n    - data/words.txt\n",
        "    outs:\n    - data/words.txt\n",
    )
    CliRunner().invoke(app, ["--root", str(mini)])
    assert "# served by a script that studies share" in (mini / "dvc.yaml").read_text()
    assert "    - seed\n    deps:\n    - stages/make.py\n    outs:\n" in (mini / "dvc.yaml").read_text()


def test_check_changes_nothing_and_fails(mini: Path) -> None:
    edit(mini, WORDS, "    - assay/deep/inner.py\n", "")
    before = (mini / WORDS).read_bytes()
    result = CliRunner().invoke(app, ["--root", str(mini), "--check"])
    assert result.exit_code == 1
    assert (mini / WORDS).read_bytes() == before
