"""Tests of the tests: each check passes on a sound repository and fails on one broken on purpose."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.mini_repository import edit, write_mini_repository

from tools import checks
from tools.pipeline import Pipeline, read_pipeline

Check = Callable[[Pipeline], list[str]]


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    return write_mini_repository(tmp_path)


def problems(root: Path) -> list[str]:
    pipeline = read_pipeline(root)
    return [problem for check in checks.CHECKS for problem in check(pipeline)]


def test_a_sound_repository_has_no_problem(mini: Path) -> None:
    assert problems(mini) == []


BREAKS = [
    # (check, file, old, new, the problem's words, or None for an edit that breaks nothing)
    (checks.names_agree, "dvc.yaml", "  words_view:", "  words_show:", "words_show: runs stages.words.view, whose stage is named words_view"),
    (checks.names_agree, "dvc.yaml", "  words_make:", "  words_take:", "words_take: runs stages.make, whose stage is named make"),
    (checks.names_agree, "dvc.yaml", "python -m stages.make", "python -m stages.mark", "stages.mark does not exist"),
    (checks.names_agree, "dvc.yaml", "python -m stages.make", "python stages/make.py", "must begin with `python -m stages.`"),
    (checks.commands_parse, "dvc.yaml", "--seed ${seed}", "--sead ${seed}", "words_make: stages.make does not accept its command line: No such option"),
    (checks.commands_parse, "dvc.yaml", "--seed ${seed} ", "", "Missing option '--seed'"),
    (checks.commands_parse, "params.yaml", "seed: 0", "seed: zero", "Invalid value for '--seed'"),
    (checks.commands_parse, "params.yaml", "layers: [1, 2]", "layers: [1, two]", "words_count@long: stages.words.count does not accept"),
    (checks.commands_parse, "stages/make.py", "import typer\n", "import typer, tipper\n", "stages.make cannot be loaded as a stage"),
    (checks.commands_parse, "stages/make.py", "app = typer.Typer()\n@app.", "apt = typer.Typer()\n@apt.", "stages.make cannot be loaded as a stage"),
    (checks.code_is_declared, "dvc.yaml", "    - assay/deep/inner.py\n", "", "words_count@short: imports assay/deep/inner.py but does not declare it"),
    (checks.code_is_declared, "dvc.yaml", "    - assay/deep/__init__.py\n", "", "imports assay/deep/__init__.py but does not declare it"),
    (checks.code_is_declared, "dvc.yaml", "    - assay/pages\n", "", "words_view: imports assay/pages but does not declare it"),
    (checks.code_is_declared, "dvc.yaml", "    - assay/pages\n", "    - assay/pages\n    - assay/pages/render.py\n", "declares assay/pages/render.py, which `make deps` leaves out"),
    (checks.code_is_declared, "assay/pages/page.html", "{% include 'head.html' %}", "", "words_view: declares assay/pages, which `make deps` leaves out"),
    (checks.code_is_declared, "dvc.yaml", "    - stages/make.py", "    - stages/make.py\n    - assay/unused.py", "declares assay/unused.py, which `make deps` leaves out"),
    (checks.code_is_declared, "assay/unused.py", "class", "import assay.counting\nclass", None),
    (checks.code_is_declared, "assay/counting.py", "    from .deep", "    import assay.unused\n    from .deep", "imports assay/unused.py but does not declare it"),
    (checks.data_files_are_named, "assay/pages/page.html", "{% include 'head.html' %}", "", "assay/pages/head.html: no module names this file"),
    (checks.arguments_are_declared, "dvc.yaml", "--page plots/words/page.html", "--page plots/other.html", "plots/other.html is on the command line but neither"),
    (checks.arguments_are_declared, "dvc.yaml", "    - stages/words/view.py\n    - data/words.txt", "    - stages/words/view.py", "data/words.txt is on the command line"),
    (checks.outputs_have_one_owner, "dvc.yaml", "    plots:\n    - plots/words/page.html:", "    plots:\n    - data/words.txt:", "overlap; each output has one owner"),
    (checks.outputs_have_one_owner, "dvc.yaml", "count_${item.variant}.json:\n", "count.json:\n", "overlap; each output has one owner"),
    (checks.outputs_have_one_owner, "dvc.yaml", "    - data/words.txt\n  words_count", "    - data\n    - data/words.txt\n  words_count", "overlap"),
    (checks.params_are_used, "params.yaml", "seed: 0", "seed: 0\nseat: 0", "params.yaml: no stage uses seat"),
    (checks.params_are_used, "params.yaml", "words:\n", "words:\n  cownt: {lower: true}\n", "params.yaml: no stage uses words.cownt.lower"),
    (checks.params_are_used, "dvc.yaml", "    - words.count\n", "    - words.count\n    - words.counts\n", "params.yaml has no key words.counts"),
    (checks.reports_are_in_git, "dvc.yaml", ".json:\n        cache: false", ".json:\n        cache: true", "count_long.json under metrics needs `cache: false`"),
    (checks.plots_exist, "dvc.yaml", "    template: linear", "    template: linaer", "there is no template linaer"),
    (checks.plots_exist, "dvc.yaml", "plots:\n- plots/words/page.html:", "plots:\n- plots/words/pale.html:", "no stage writes plots/words/pale.html"),
    (checks.keys_are_in_order, "dvc.yaml", "    desc: Make words\n", "", "words_make: say in `desc` what it does"),
    (checks.keys_are_in_order, "dvc.yaml", "    desc: Count them, twice\n    matrix:\n      variant: [long, short]\n", "    matrix:\n      variant: [long, short]\n    desc: Count them, twice\n", "words_count: write the keys in the order"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "file", "old", "new", "words"), BREAKS)
def test_each_break_is_found(
    mini: Path, check: Check, file: str, old: str, new: str, words: str | None
) -> None:
    edit(mini, file, old, new)
    found = check(read_pipeline(mini))
    if words is None:
        assert found == []
    else:
        assert any(words in problem for problem in found), found


def test_a_stage_that_imports_torch_at_its_top_is_found(mini: Path) -> None:
    (mini / "torch.py").write_text("")
    edit(mini, "stages/make.py", "import typer\n", "import torch\nimport typer\n")
    assert any(
        "importing stages.make imports torch" in problem
        for problem in checks.commands_parse(read_pipeline(mini))
    )


def test_a_script_that_no_stage_runs_is_found(mini: Path) -> None:
    (mini / "stages/words/lost.py").write_text("import typer\napp = typer.Typer()\n")
    assert "stages/words/lost.py: no stage of dvc.yaml runs it" in checks.scripts_are_used(
        read_pipeline(mini)
    )


def test_a_lock_entry_without_a_stage_is_found(mini: Path) -> None:
    (mini / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  words_make: {}\n  words_count@long: {}\n  words_count@tall: {}\n"
    )
    assert problems(mini) == ["dvc.lock: words_count@tall is no longer a stage; remove its entry"]
