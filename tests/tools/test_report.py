"""The pull-request report, in a throwaway clone with a changed parameter, metric and picture."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.toy_repository import PROJECT, Repository

from tools.metrics_table import Change, Number, changes, markdown, numbers


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def branch(base: Path, toy_template: Repository) -> Repository:
    """A clone without data, on the branch of a pull request that changed `size` and a picture."""
    toy = toy_template.copy(base / "main")
    main = Repository(toy.path, {**toy.env, "PYTHONPATH": str(PROJECT)})
    picture = main.path / "plots/picture.png"
    picture.write_bytes(b"old picture")
    (main.path / "plots/same.png").write_bytes(b"same")
    main.commit("picture")
    main.run("git", "checkout", "-q", "-b", "change")
    (main.path / "params.yaml").write_text("size: 41\nlayer: 18\n")
    picture.write_bytes(b"the new picture")
    main.dvc("repro", "-q")
    main.commit("change")
    return main.clone(base / "clone")


def write_report(branch: Repository, *options: str) -> str:
    branch.run(
        sys.executable, "-m", "tools.report", "--base", "origin/main", "--out", "report/report.md", *options
    )
    return (branch.path / "report/report.md").read_text(encoding="utf-8")


def test_report(branch: Repository) -> None:
    text = write_report(branch)
    assert "stale" not in text
    assert "| count.json | bytes | 10240 [10231, 10249] | **10496 [10487, 10505]** |" in text
    assert "stages" not in text
    assert re.search(r"\| params.yaml \| size +\| 40 +\| 41 +\|", text)
    assert "| plots/picture.png | ![](before/plots/picture.png) | ![](after/plots/picture.png) |" in text
    assert "same.png" not in text
    assert (branch.path / "report/before/plots/picture.png").read_bytes() == b"old picture"
    assert (branch.path / "report/after/plots/picture.png").read_bytes() == b"the new picture"


def test_report_says_that_nothing_changed(branch: Repository) -> None:
    branch.run(sys.executable, "-m", "tools.report", "--base", "HEAD", "--out", "report/none.md")
    text = (branch.path / "report/none.md").read_text(encoding="utf-8")
    for what in ("metric", "parameter", "picture"):
        assert f"No {what} changed." in text


def test_report_agrees_with_dvc_metrics_diff(branch: Repository) -> None:
    table = branch.dvc("metrics", "diff", "origin/main", "--md")
    assert re.search(r"\| metrics/count.json \| bytes +\| 10240 +\| 10496 +\| 256 +\|", table)


def test_report_says_stale(branch: Repository, base: Path) -> None:
    stale = branch.clone(base / "stale")
    stale.run("git", "remote", "set-url", "origin", str(base / "main"))
    stale.run("git", "fetch", "-q")
    (stale.path / "count.py").write_text((stale.path / "count.py").read_text() + "\n# changed\n")
    assert "The results are stale" in write_report(stale)
    output = stale.run(sys.executable, "-m", "tools.up_to_date", "--allow-missing", fails=True)
    assert "failed to reproduce 'stages/words/dvc.yaml:count'" in output  # its data is not here
    assert "error: the committed results are stale" in output


def test_the_base_is_unknown(branch: Repository) -> None:
    command = [sys.executable, "-m", "tools.report", "--base", "origin/nowhere", "--out", "report/x.md"]
    assert "error: git ls-tree: fatal: Not a valid object name origin/nowhere" in branch.run(
        *command, fails=True
    )


def test_workflow_steps_run_as_written(branch: Repository, base: Path) -> None:
    """The report job's own commands, with a `gh` of ours: what is posted is the report."""
    folder = base / "bin"
    folder.mkdir()
    (folder / "gh").write_text(f'#!/bin/sh\necho "$@" > {base}/gh-arguments\ncp "$7" {base}/posted.md\n')
    (folder / "gh").chmod(0o755)
    job = YAML(typ="safe").load(PROJECT / ".github/workflows/report.yml")["jobs"]["report"]
    env = {
        **branch.env,
        "PATH": f"{folder}{os.pathsep}{branch.env['PATH']}",
        "BASE": "origin/main",
        "HEAD_SHA": "abc",
        "IMAGES": "https://host/raw",
        "NUMBER": "7",
        "GITHUB_STEP_SUMMARY": str(base / "summary.md"),
    }
    for step in job["steps"]:
        if "run" in step:
            script = re.sub("^pip install .*$", "", step["run"], flags=re.MULTILINE)
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", script],
                cwd=branch.path,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    text = (branch.path / "report/report.md").read_text(encoding="utf-8")
    commit = branch.run("git", "rev-parse", "origin/main").strip()
    assert (
        f"![](https://host/raw/{commit}/plots/picture.png) | ![](https://host/raw/abc/plots/picture.png)"
        in text
    )
    assert (base / "posted.md").read_text(encoding="utf-8") == text
    assert (base / "summary.md").read_text(encoding="utf-8") == text
    assert (
        base / "gh-arguments"
    ).read_text() == "pr comment 7 --edit-last --create-if-none --body-file report/report.md\n"
    assert (branch.path / "report/plots/index.html").exists()


def test_drift_fails_only_when_intervals_part_or_a_number_goes(branch: Repository, base: Path) -> None:
    other = branch.clone(base / "drift")
    metrics = other.path / "metrics/count.json"
    drift = (sys.executable, "-m", "tools.drift")
    assert "every metric is the one at HEAD" in other.run(*drift)
    metrics.write_text('{"bytes": 10500, "bytes_lo": 10491, "bytes_hi": 10509, "stages": 2, "layer": 18}')
    shown = other.run(*drift)
    assert "| count.json | bytes | 10496 [10487, 10505] | 10500 [10491, 10509] |" in shown
    assert "1 of 3 metrics differ" in shown
    assert "metrics/count.json:bytes moved most, by 0.222 of the width of its interval" in shown
    assert "moved by more than 0.2 of its interval's width: metrics/count.json:bytes" in other.run(
        *drift, "--limit", "0.2", fails=True
    )
    metrics.write_text('{"bytes": 99, "bytes_lo": 90, "bytes_hi": 108, "stages": 2, "layer": 18}')
    assert "do not overlap, or the number is gone: metrics/count.json:bytes" in other.run(*drift, fails=True)
    metrics.write_text('{"bytes": 10496, "bytes_lo": 10487, "bytes_hi": 10505, "layer": 18}')
    assert "gone: metrics/count.json:stages" in other.run(*drift, fails=True)


def test_numbers_fold_intervals_and_keep_the_rest() -> None:
    folded = numbers({"x": 0.5, "x_lo": 0.4, "x_hi": 0.6, "x_n": 10, "y_lo": 3})
    assert folded == {"x": Number(0.5, 0.4, 0.6), "x_n": Number(10), "y_lo": Number(3)}


def test_changes_by_hand() -> None:
    def at(value: float) -> dict[tuple[str, str], Number]:
        return {("f", "x"): Number(value, value - 1, value + 1)}

    assert changes(at(10.0), at(10.0), 0.0) == []
    assert changes(at(10.0), at(10.0 + 1e-7), 1e-6) == []
    [moved] = changes(at(10.0), at(11.9), 1e-6)
    assert not moved.crosses
    [parted] = changes(at(10.0), at(12.1), 1e-6)
    assert parted.crosses
    assert changes({}, at(1.0), 0.0)[0].crosses is False
    assert changes(at(1.0), {}, 0.0)[0].crosses is True


def test_a_long_table_is_cut_and_says_so() -> None:
    rows = [Change("f", f"x{i}", Number(0), Number(1)) for i in range(5)]
    assert markdown(rows, limit=3).endswith("| f | x2 | 0 | 1 |\n\n2 more rows: `dvc metrics diff`.")
