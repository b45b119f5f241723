"""Stages two at a time, beside what DVC itself says of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.repo import Repo

from assay.errors import AssayError
from tools.lanes import reproduce, short
from tools.up_to_date import check

# Each twin waits for the other's sign, so one alone never ends.
PIPELINE = """\
stages:
  root: {cmd: 'echo 1 > root', outs: [root]}
  twin:
    foreach: {a: b, b: a}
    do: {cmd: 'touch begun_${key}; until [ -e begun_${item} ]; do sleep 0.05; done; cp root twin_${key}', deps: [root], outs: ['twin_${key}']}
  end: {cmd: 'cat twin_a twin_b > end', deps: [twin_a, twin_b], outs: [end]}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_independent_stages_run_at_the_same_time_and_dvc_finds_nothing_left_to_do(root: Path) -> None:
    ran = reproduce(2)
    assert [ran[0], *sorted(ran[1:3]), ran[3]] == ["root", "twin@a", "twin@b", "end"]
    assert check(root, allow_missing=False)[0]
    assert reproduce(2) == []


def test_only_what_changed_and_what_needs_it_runs_again(root: Path) -> None:
    reproduce(2)
    (root / "end").unlink()
    assert reproduce(2) == ["end"]
    (root / "dvc.yaml").write_text(PIPELINE.replace("echo 1", "echo 2"))
    assert len(reproduce(2)) == 4
    assert (root / "end").read_text() == "2\n2\n"


def test_a_stage_that_fails_is_named_and_what_needs_it_is_not_begun(root: Path) -> None:
    (root / "dvc.yaml").write_text(PIPELINE.replace("echo 1 > root", "false"))
    with pytest.raises(AssayError, match="stage root failed"):
        reproduce(2)
    assert not list(root.glob("begun_*"))


def test_an_interrupt_ends_the_stages_too(root: Path) -> None:
    (root / "dvc.yaml").write_text(PIPELINE.replace("cp root", "echo $$ > pid_${key}; sleep 60; cp root"))
    command = [sys.executable, "-m", "tools.lanes", "--count", "2"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        pids = [root / "pid_a", root / "pid_b"]
        while not all(path.exists() and path.read_text() for path in pids):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30)
    assert not any(Path("/proc", path.read_text().strip()).exists() for path in pids)


def test_names_are_short() -> None:
    assert short("stages/oocr/dvc.yaml:prepare@standard") == "oocr prepare@standard"
