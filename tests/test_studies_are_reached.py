"""Commands at the root reach the stages of every study's own dvc.yaml, as in this project: `index` depends on what they write.

That every study of this project is so reached is one of the checks of tests/test_pipeline.py.
"""

import json
import re
from pathlib import Path

import pytest
from support.toy_repository import Repository

from tools.up_to_date import check

STUDY = "stages/words/dvc.yaml:count"


@pytest.fixture
def toy(tmp_path: Path, toy_template: Repository) -> Repository:
    return toy_template.copy(tmp_path / "toy")


def layer_of(toy: Repository, experiment: str) -> int:
    commit = toy.run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{experiment}").strip()
    return int(json.loads(toy.run("git", "show", f"{commit}:metrics/count.json"))["layer"])


def test_repro_runs_a_study_and_then_nothing(toy: Repository) -> None:
    (toy.path / "params.yaml").write_text("size: 41\nlayer: 18\n")
    shown = toy.dvc("repro")
    assert re.findall(r"Running stage '(.*)'", shown) == ["make", STUDY, "index"]
    assert "Data and pipelines are up to date" in toy.dvc("repro")


def test_an_experiment_reruns_what_depends_on_its_parameter_and_diffs_show_it(toy: Repository) -> None:
    shown = toy.dvc("exp", "run", "-S", "layer=22")
    assert re.findall(r"Running stage '(.*)'", shown) == [STUDY, "index"]
    assert re.search(r"metrics/count\.json +layer +18 +22 +4", toy.dvc("metrics", "diff"))
    (toy.path / "params.yaml").write_text("size: 41\nlayer: 22\n")
    toy.dvc("repro", "-q")
    assert "plots/count.csv" in toy.dvc("plots", "diff", "--json")


def test_experiments_in_temporary_folders_and_in_the_queue(toy: Repository) -> None:
    toy.dvc("exp", "run", "--temp", "--name", "apart", "-S", "layer=23")
    assert layer_of(toy, "apart") == 23
    toy.dvc("exp", "run", "--queue", "--name", "queued", "-S", "layer=24")
    toy.dvc("exp", "run", "--run-all")
    assert layer_of(toy, "queued") == 24
    assert json.loads((toy.path / "metrics/count.json").read_text())["layer"] == 18


def test_a_clone_without_data_knows_whether_a_study_is_stale(toy: Repository, tmp_path: Path) -> None:
    clone = toy.clone(tmp_path / "clone")
    assert check(clone.path, allow_missing=True)[0]
    (clone.path / "params.yaml").write_text("size: 40\nlayer: 19\n")
    current, output = check(clone.path, allow_missing=True)
    assert not current
    assert STUDY in output


def test_push_and_pull_carry_what_a_study_wrote(toy: Repository, tmp_path: Path) -> None:
    toy.dvc("remote", "modify", "--local", "storage", "url", str(tmp_path / "storage"))
    toy.dvc("push")
    clone = toy.clone(tmp_path / "clone")
    clone.dvc("remote", "modify", "--local", "storage", "url", str(tmp_path / "storage"))
    clone.dvc("pull")
    assert (clone.path / "data/counted.txt").read_text() == "10240\n"
    assert "up to date" in clone.dvc("status")
