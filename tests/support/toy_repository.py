"""A small repository with the project's own DVC configuration, cut off from every setting of the machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]

PIPELINE = """\
stages:
  make:
    cmd: python make.py ${size}
    deps:
    - make.py
    outs:
    - data/one.bin
    - data/many
  index:
    cmd: python index.py
    deps:
    - index.py
    - metrics
    - plots
    outs:
    - index.txt:
        cache: false
"""
STUDY = """\
vars:
- ../../params.yaml
stages:
  count:
    wdir: ../..
    cmd: python count.py ${layer}
    deps:
    - count.py
    - data/one.bin
    outs:
    - data/counted.txt
    metrics:
    - metrics/count.json:
        cache: false
    plots:
    - plots/count.csv:
        cache: false
        x: file
        y: bytes
"""
INDEX = """\
from pathlib import Path
names = sorted(path.as_posix() for folder in ("metrics", "plots") for path in Path(folder).iterdir())
Path("index.txt").write_text("\\n".join(names) + "\\n")
"""
MAKE = """\
import sys
from pathlib import Path
size = int(sys.argv[1])
Path("data/many").mkdir(parents=True)
Path("data/one.bin").write_bytes(bytes(range(256)) * size)
for i in range(5):
    Path(f"data/many/{i}.txt").write_text(f"file {i}\\n" * size)
"""
COUNT = """\
import json
import sys
from pathlib import Path
n = Path("data/one.bin").stat().st_size
Path("data/counted.txt").write_text(f"{n}\\n")
Path("metrics").mkdir(exist_ok=True)
Path("metrics/count.json").write_text(json.dumps({"bytes": n, "bytes_lo": n - 9, "bytes_hi": n + 9, "stages": 2, "layer": int(sys.argv[1])}))
Path("plots").mkdir(exist_ok=True)
Path("plots/count.csv").write_text(f"file,bytes\\n1,{n}\\n2,{2 * n}\\n3,{n}\\n")
"""


@dataclass(frozen=True)
class Repository:
    """A Git and DVC repository at `path`; commands run in `env` and must succeed unless `fails`."""

    path: Path
    env: Mapping[str, str] = field(repr=False)

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command here; returns its output and its errors together."""
        done = subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False, timeout=120
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{' '.join(command)} returned {done.returncode}:\n{output}"
        return output

    def dvc(self, *arguments: str, fails: bool = False) -> str:
        """Run dvc here."""
        return self.run(sys.executable, "-m", "dvc", *arguments, fails=fails)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def copy(self, path: Path) -> "Repository":
        """The whole folder, data and cache too, at `path`."""
        return Repository(shutil.copytree(self.path, path, symlinks=True), self.env)

    def clone(self, path: Path) -> "Repository":
        """A fresh clone at `path`: what is in Git, no data."""
        self.run("git", "clone", "-q", str(self.path), str(path))
        return Repository(path, self.env)


def isolated_environment(folder: Path) -> dict[str, str]:
    """Environment variables that keep DVC, Git and ssh from reading or writing anything outside `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n[safe]\n\tdirectory = *\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_", "SSH_", "GITHUB_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(folder / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(folder / "system"),
        "DVC_NO_ANALYTICS": "1",
    }


def make_toy_repository(path: Path, env: Mapping[str, str]) -> Repository:
    """Create the toy at `path`, run its pipeline and commit it, with the project's .dvc/config and .dvcignore."""
    path.mkdir(parents=True)
    toy = Repository(path, env)
    toy.run("git", "init", "-q")
    toy.dvc("init", "-q")
    shutil.copy(PROJECT / ".dvc/config", path / ".dvc/config")
    shutil.copytree(PROJECT / ".dvc/plots", path / ".dvc/plots", dirs_exist_ok=True)
    shutil.copy(PROJECT / ".dvcignore", path / ".dvcignore")
    (path / ".gitignore").write_text("__pycache__/\n/dvc_plots/\n/.dvc/plots/vega.js\n")
    for name, text in {
        "dvc.yaml": PIPELINE,
        "stages/words/dvc.yaml": STUDY,
        "make.py": MAKE,
        "count.py": COUNT,
        "index.py": INDEX,
        "params.yaml": "size: 40\nlayer: 18\n",
    }.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    toy.dvc("repro", "-q")
    toy.commit("first")
    return toy
