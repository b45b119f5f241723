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


WORDS = "stages/words/dvc.yaml"
BREAKS = [
    # (check, file, old, new, the problem's words, or None for an edit that breaks nothing)
    (checks.names_agree, WORDS, "  view:", "  show:", "words/dvc.yaml:show: runs stages.words.view, whose stage is named view"),
    (checks.names_agree, "dvc.yaml", "  all_make:", "  all_take:", "all_take: runs stages.make, whose stage is named make"),
    (checks.names_agree, "dvc.yaml", "  make:", "  take:", "take: runs stages.make, whose stage is named make"),
    (checks.names_agree, "dvc.yaml", "python -m stages.make --seed 1", "python -m stages.words.make --seed 1", "its stage belongs into stages/words/dvc.yaml"),
    (checks.names_agree, "dvc.yaml", "python -m stages.make --seed 1", "python -m stages.mark --seed 1", "stages.mark does not exist"),
    (checks.names_agree, "dvc.yaml", "python -m stages.make --seed 1", "python stages/make.py --seed 1", "must begin with `python -m stages.`"),
    (checks.commands_parse, "dvc.yaml", "--seed param:seed", "--sead param:seed", "make: stages.make does not accept its command line: No such option"),
    (checks.commands_parse, "dvc.yaml", "--seed param:seed ", "", "Missing option '--seed'"),
    (checks.commands_parse, "dvc.yaml", "param:seed", "param:seat", "params.yaml has no key seat"),
    (checks.commands_parse, "params.yaml", "seed: 0", "seed: zero", "Invalid value for '--seed'"),
    (checks.commands_parse, "params.yaml", "layers: [1, 2]", "layers: [1, two]", "count@long: stages.words.count does not accept"),
    (checks.commands_parse, "stages/make.py", "import typer\n", "import typer, tipper\n", "stages.make cannot be loaded as a stage"),
    (checks.commands_parse, "stages/make.py", "app = typer.Typer()\n@app.", "apt = typer.Typer()\n@apt.", "stages.make cannot be loaded as a stage"),
    (checks.code_is_declared, WORDS, "    - assay/deep/inner.py\n", "", "count@short: imports assay/deep/inner.py but does not declare it"),
    (checks.code_is_declared, WORDS, "    - assay/deep/__init__.py\n", "", "imports assay/deep/__init__.py but does not declare it"),
    (checks.code_is_declared, WORDS, "    - assay/pages\n", "", "view: imports assay/pages but does not declare it"),
    (checks.code_is_declared, WORDS, "    - assay/pages\n", "    - assay/pages\n    - assay/pages/render.py\n", "declares assay/pages/render.py, which `make deps` leaves out"),
    (checks.code_is_declared, "assay/pages/page.html", "{% include 'head.html' %}", "", "view: declares assay/pages, which `make deps` leaves out"),
    (checks.code_is_declared, WORDS, "    - stages/words/view.py", "    - assay/unused.py\n    - stages/words/view.py", "declares assay/unused.py, which `make deps` leaves out"),
    (checks.code_is_declared, "assay/unused.py", "class", "import assay.counting\nclass", None),
    (checks.code_is_declared, "assay/counting.py", "    from .deep", "    import assay.unused\n    from .deep", "imports assay/unused.py but does not declare it"),
    (checks.data_files_are_named, "assay/pages/page.html", "{% include 'head.html' %}", "", "assay/pages/head.html: no module names this file"),
    (checks.arguments_are_declared, WORDS, "--page plots/words/page.html", "--page plots/other.html", "plots/other.html is on the command line but neither"),
    (checks.arguments_are_declared, WORDS, "    - stages/words/view.py\n    - data/words.txt", "    - stages/words/view.py", "data/words.txt is on the command line"),
    (checks.outputs_have_one_owner, WORDS, "    plots:\n    - plots/words/page.html:", "    plots:\n    - data/words.txt:", "overlap; each output has one owner"),
    (checks.outputs_have_one_owner, WORDS, "count_${item.variant}.json:\n", "count.json:\n", "overlap; each output has one owner"),
    (checks.outputs_have_one_owner, "dvc.yaml", "    - data/words.txt\n  all_make", "    - data\n    - data/words.txt\n  all_make", "overlap"),
    (checks.params_are_used, "params.yaml", "seed: 0", "seed: 0\nseat: 0", "params.yaml: no stage uses seat"),
    (checks.params_are_used, "params.yaml", "words:\n", "words:\n  cownt: {lower: true}\n", "params.yaml: no stage uses words.cownt.lower"),
    (checks.params_are_used, WORDS, "    - words.count\n", "    - words.count\n    - words.counts\n", "params.yaml has no key words.counts"),
    (checks.values_are_declared, "dvc.yaml", "    params:\n    - seed\n", "", "make: takes param:seed but does not declare it"),
    (checks.no_shell_reads_values, "dvc.yaml", "param:seed", "${seed}", "dvc.yaml, make: write param:seed instead of ${seed}"),
    (checks.no_shell_reads_values, WORDS, "[long, short]", "[long, 'a $b']", "letters, digits, dots, - and _ only"),
    (checks.everything_is_reached, "dvc.yaml", "    - plots/words\n", "", "words/dvc.yaml:view: no root stage depends on what it writes"),
    (checks.reports_are_in_git, WORDS, ".json:\n        cache: false", ".json:\n        cache: true", "count_long.json under metrics needs `cache: false`"),
    (checks.plots_exist, WORDS, "    template: linear", "    template: linaer", "there is no template linaer"),
    (checks.plots_exist, WORDS, "plots:\n- ../../plots/words/page.html:", "plots:\n- ../../plots/words/pale.html:", "no stage writes plots/words/pale.html"),
    (checks.keys_are_in_order, "dvc.yaml", "    desc: Make words\n", "", "make: say in `desc` what it does"),
    (checks.keys_are_in_order, WORDS, "    desc: Count them, twice\n    matrix:\n      variant: [long, short]\n", "    matrix:\n      variant: [long, short]\n    desc: Count them, twice\n", "count: write the keys in the order"),
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
    assert "stages/words/lost.py: no stage runs it" in checks.scripts_are_used(read_pipeline(mini))


def test_a_lock_entry_without_a_stage_is_found(mini: Path) -> None:
    (mini / "stages/words/dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  view: {}\n  count@long: {}\n  count@tall: {}\n"
    )
    assert problems(mini) == ["stages/words/dvc.lock: count@tall is no longer a stage; remove its entry"]
