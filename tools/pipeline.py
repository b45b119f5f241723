"""The pipeline as DVC sees it: every dvc.yaml resolved against params.yaml, matrix and foreach expanded, nothing run."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stages.shared.cli import expand, read_mapping

ROOT_FILE = "dvc.yaml"


@dataclass(frozen=True)
class Output:
    """One file or folder that a stage writes; `kind` is the section of dvc.yaml that names it."""

    path: str
    kind: Literal["outs", "metrics", "plots"]
    cached: bool


@dataclass(frozen=True)
class Stage:
    """One resolved stage. `item` is `probe@next` for a matrix item, `entry` then `probe`; `file` the dvc.yaml it stands in.

    `module` is the X of `python -m X …` and None for any other command; `words` is what follows it as written, `arguments` as the stage
    sees it: with values of params.yaml for `param:KEY`. `params` are (file, key) pairs; an empty key is the whole file.
    """

    file: str
    item: str
    cmd: str
    deps: tuple[str, ...]
    outputs: tuple[Output, ...]
    params: tuple[tuple[str, str], ...]
    root: Path

    @property
    def name(self) -> str:
        """As DVC addresses it: `pin@base`, `stages/words/dvc.yaml:count@long`."""
        return self.item if self.file == ROOT_FILE else f"{self.file}:{self.item}"

    @property
    def entry(self) -> str:
        """The name in its dvc.yaml."""
        return self.item.split("@")[0]

    @property
    def study(self) -> str:
        """The folder of stages/ whose dvc.yaml it stands in, "" for the root's."""
        return "" if self.file == ROOT_FILE else Path(self.file).parent.name

    @property
    def module(self) -> str | None:
        """The module that the command runs."""
        words = shlex.split(self.cmd)
        return words[2] if words[:2] == ["python", "-m"] and len(words) > 2 else None

    @property
    def words(self) -> list[str]:
        """The command line after `python -m module`."""
        return shlex.split(self.cmd)[3:]

    @property
    def arguments(self) -> list[str]:
        """The same with values of params.yaml. Raises AssayError for one that it lacks."""
        return expand(self.words, self.root / "params.yaml")


@dataclass(frozen=True)
class Pipeline:
    """Each dvc.yaml as written (`files`, the root's first), `stages` resolved, params.yaml, and stage names by lock file."""

    root: Path
    files: Mapping[str, Mapping[str, Any]]
    stages: tuple[Stage, ...]
    params: Mapping[str, Any]
    locked: Mapping[str, tuple[str, ...]]


def read_pipeline(root: Path) -> Pipeline:
    """Read the pipeline at `root`: its dvc.yaml and those of the folders in stages/."""
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    files = {path.relative_to(root).as_posix(): read_mapping(path) for path in pipeline_files(root)}
    locks = {file: root / Path(file).with_name("dvc.lock") for file in files}
    stages: list[Stage] = []
    with Repo(str(root)) as repo:
        for file, definition in files.items():
            folder = (root / file).parent
            resolved = DataResolver(repo, str(folder), dict(definition)).resolve()["stages"]
            stages += [_stage(file, name, resolved[name], root) for name in resolved]
    return Pipeline(
        root=root,
        files=files,
        stages=tuple(stages),
        params=read_mapping(root / "params.yaml"),
        locked={
            file: tuple(read_mapping(lock)["stages"]) if lock.exists() else () for file, lock in locks.items()
        },
    )


def pipeline_files(root: Path) -> list[Path]:
    """The root's dvc.yaml, then each study's."""
    return [root / ROOT_FILE, *sorted(root.glob("stages/*/dvc.yaml"))]


def entry_body(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a dvc.yaml entry that holds cmd and deps: `do` under foreach, else the entry."""
    body: Mapping[str, Any] = entry["do"] if "foreach" in entry else entry
    return body


def _stage(file: str, item: str, resolved: Mapping[str, Any], root: Path) -> Stage:
    return Stage(
        file=file,
        item=item,
        cmd=resolved["cmd"],
        deps=tuple(_name(dep) for dep in _section(resolved, "deps")),
        outputs=tuple(_outputs(resolved)),
        params=tuple(_params(_section(resolved, "params"))),
        root=root,
    )


def _section(resolved: Mapping[str, Any], key: str) -> list[Any]:
    return list(resolved[key]) if key in resolved else []


def _name(item: str | Mapping[str, Any]) -> str:
    return item if isinstance(item, str) else next(iter(item))


def _outputs(resolved: Mapping[str, Any]) -> list[Output]:
    found = []
    kinds: tuple[Literal["outs", "metrics", "plots"], ...] = ("outs", "metrics", "plots")
    for kind in kinds:
        for item in _section(resolved, kind):
            settings = {} if isinstance(item, str) else item[_name(item)]
            found.append(Output(_name(item), kind, "cache" not in settings or settings["cache"]))
    return found


def _params(section: list[Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for item in section:
        if isinstance(item, str):
            file, _, key = item.rpartition(":") if ":" in item else ("params.yaml", "", item)
            found.append((file, key))
        else:
            for file, keys in item.items():
                found.extend((file, key) for key in (keys or [""]))
    return found
