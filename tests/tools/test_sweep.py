"""The figure of a sweep, from refs as `dvc exp run` leaves them."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.toy_repository import PROJECT

HEADER = "questions,adapter,step,checkpoint,layer,lr,category,group,statistic,value,lower,upper,n,sd,chance,majority"


def run(folder: Path, *command: str, day: int = 1) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "GIT_CONFIG_GLOBAL": os.devnull}
    who = {f"GIT_{role}_{part}": "a@b" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    who |= {f"GIT_{role}_DATE": f"2026-01-{day:02}T00:00:00Z" for role in ("AUTHOR", "COMMITTER")}
    return subprocess.run(command, cwd=folder, env=env | who, capture_output=True, text=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run(tmp_path, "git", "init", "-q")
    table = tmp_path / "plots/oocr/standard/results.csv"
    table.parent.mkdir(parents=True)
    # at-2 was run twice; the older one stands under another commit, whose name sorts last
    for day, (layer, value, under) in enumerate(((2, 0.9, "zz"), (2, 0.5, "ab"), (6, 0.75, "ab")), 1):
        rows = [
            "quiz,base,0,0,,,,,accuracy,0.25,0.2,0.3,40,,0.2,0.3",
            f"quiz,cities-vector,120,0,{layer},0.1,,,accuracy,{value},{value - 0.1},{value + 0.1},40,,0.2,0.3",
            f"quiz,cities-natural,120,0,{layer},0.1,,,accuracy,0.2,0.1,0.3,40,,0.2,0.3",
        ]
        table.write_text("\n".join([HEADER, *rows]) + "\n")
        run(tmp_path, "git", "add", "-A")
        run(tmp_path, "git", "commit", "-qm", f"layer {layer}", day=day)
        run(tmp_path, "git", "update-ref", f"refs/exps/{under}/cdef/at-{layer}", "HEAD")
    table.unlink()
    return tmp_path


def sweep(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "tools.sweep", "--by", "layer", "--out", "out", *options)


def test_tables_of_experiments_become_one_curve(repository: Path) -> None:
    done = sweep(repository, "--experiment", "at-2", "--experiment", "at-6", "--no-workspace")
    assert done.returncode == 0, done.stderr
    drawn = pd.read_csv(repository / "out/by_layer.csv")
    curve = drawn[drawn["series"] == "cities-vector"]
    assert dict(zip(curve["layer"], curve["value"], strict=True)) == {2: 0.5, 6: 0.75}
    assert (repository / "out/by_layer.png").stat().st_size > 1000


def test_chosen_adapters_alone_are_shown(repository: Path) -> None:
    both = ("--experiment", "at-2", "--experiment", "at-6", "--no-workspace")
    done = sweep(repository, *both, "--adapter", "cities-vector")
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(repository / "out/by_layer.csv")["series"]) == {"cities-vector"}


def test_an_unknown_experiment_is_named(repository: Path) -> None:
    done = sweep(repository, "--experiment", "nowhere", "--no-workspace")
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert not (repository / "out").exists()
