"""The pipeline as DVC sees it: dvc.yaml resolved against params.yaml, matrix and foreach expanded, nothing run."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tools.yaml_file import read_yaml


@dataclass(frozen=True)
class Output:
    """One file or folder that a stage writes; `kind` is the section of dvc.yaml that names it."""

    path: str
    kind: Literal["outs", "metrics", "plots"]
    cached: bool


@dataclass(frozen=True)
class Stage:
    """One resolved stage. `name` is `tokens_probe@next` for a matrix item, `entry` then `tokens_probe`.

    `module` is the X of `python -m X …` and None for any other command; `arguments` is what follows it.
    `params` are (file, key) pairs; an empty key is the whole file.
    """

    name: str
    cmd: str
    deps: tuple[str, ...]
    outputs: tuple[Output, ...]
    params: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]

    @property
    def entry(self) -> str:
        """The name in dvc.yaml."""
        return self.name.split("@")[0]

    @property
    def module(self) -> str | None:
        """The module that the command runs."""
        words = shlex.split(self.cmd)
        return words[2] if words[:2] == ["python", "-m"] and len(words) > 2 else None

    @property
    def arguments(self) -> list[str]:
        """The command line after `python -m module`."""
        return shlex.split(self.cmd)[3:]


@dataclass(frozen=True)
class Pipeline:
    """dvc.yaml (`definition` as written, `stages` resolved), params.yaml and the stage names of dvc.lock."""

    root: Path
    definition: Mapping[str, Any]
    stages: tuple[Stage, ...]
    params: Mapping[str, Any]
    locked: tuple[str, ...]


def read_pipeline(root: Path, definition: Mapping[str, Any] | None = None) -> Pipeline:
    """Read the pipeline at `root`; `definition` replaces what dvc.yaml says."""
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    definition = read_yaml(root / "dvc.yaml") if definition is None else definition
    with Repo(str(root)) as repo:
        resolved = DataResolver(repo, str(root), dict(definition)).resolve()["stages"]
    lock = root / "dvc.lock"
    return Pipeline(
        root=root,
        definition=definition,
        stages=tuple(_stage(name, resolved[name], definition) for name in resolved),
        params=read_yaml(root / "params.yaml"),
        locked=tuple(read_yaml(lock)["stages"]) if lock.exists() else (),
    )


def entry_body(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a dvc.yaml entry that holds cmd and deps: `do` under foreach, else the entry."""
    body: Mapping[str, Any] = entry["do"] if "foreach" in entry else entry
    return body


def _stage(name: str, resolved: Mapping[str, Any], definition: Mapping[str, Any]) -> Stage:
    written = definition["stages"][name.split("@")[0]]
    return Stage(
        name=name,
        cmd=resolved["cmd"],
        deps=tuple(_name(dep) for dep in _section(resolved, "deps")),
        outputs=tuple(_outputs(resolved)),
        params=tuple(_params(_section(resolved, "params"))),
        keys=tuple(written),
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
