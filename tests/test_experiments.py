"""An experiment in a temporary checkout runs its own code, though `assay` is installed editable in the environment that runs it."""

import json
from pathlib import Path

from support.toy_repository import PROJECT, Repository, isolated_environment

STAGE = """\
import json
import os
from pathlib import Path
import assay
Path("which.json").write_text(json.dumps({"cwd": os.getcwd(), "own": Path(assay.__file__).is_relative_to(os.getcwd())}))
"""
PIPELINE = """\
stages:
  which:
    cmd: python -m stages.which
    params:
    - n
    deps:
    - stages/which.py
    - assay/__init__.py
    metrics:
    - which.json:
        cache: false
"""


def test_a_temporary_checkout_imports_its_own_code(tmp_path: Path) -> None:
    path = tmp_path / "toy"
    path.mkdir()
    toy = Repository(path, isolated_environment(tmp_path / "home"))
    toy.run("git", "init", "-q")
    toy.dvc("init", "-q")
    (path / ".dvc/config").write_text((PROJECT / ".dvc/config").read_text())
    for name, text in {
        "stages/__init__.py": "",
        "stages/which.py": STAGE,
        "assay/__init__.py": "",
        "dvc.yaml": PIPELINE,
        "params.yaml": "n: 1\n",
        ".gitignore": "__pycache__/\n",
    }.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
    toy.commit("first")
    toy.dvc("exp", "run", "--temp", "--name", "apart", "-S", "n=2")
    commit = toy.run("git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/apart").strip()
    which = json.loads(toy.run("git", "show", f"{commit}:which.json"))
    assert Path(which["cwd"]).is_relative_to(path / ".dvc/tmp/exps")
    assert which["own"]
    assert not (path / "which.json").exists()
