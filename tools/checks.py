"""Is the pipeline consistent with its code and its parameters? Each check returns one sentence for each problem."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

from assay.errors import AssayError
from tools.imports import PACKAGES, code_of, data_files, dependencies_of
from tools.pipeline import Pipeline, entry_body

KEY_ORDER = ("desc", "matrix", "foreach", "do", "wdir", "cmd", "params", "deps", "outs", "metrics", "plots")
MADE = ("data", "metrics", "plots")  # the folders whose files are on command lines
BY_HAND = (
    "stages/direction.py",
    "stages/evaluate.py",
    "stages/oocr/city_questions.py",
    "stages/oocr/convert.py",
    "stages/oocr/function_rows.py",
    "stages/oocr/location_rows.py",
    "stages/oocr/shuffle_responses.py",
    "stages/oocr/trigger_sets.py",
    "stages/preferences/content.py",
    "stages/preferences/replay.py",
    "stages/steer.py",
    "stages/verify_store.py",
)  # scripts that people run and dvc.yaml does not


def names_agree(pipeline: Pipeline) -> list[str]:
    """`probe` of stages/tokens/dvc.yaml runs stages/tokens/probe.py; a script directly in stages/ serves `extract` and `<any>_extract`."""
    found = []
    for stage in pipeline.stages:
        if stage.module is None or not stage.module.startswith("stages."):
            found.append(
                f"{stage.name}: the command must begin with `python -m stages.`, found {stage.cmd!r}"
            )
            continue
        *folders, name = stage.module.split(".")[1:]
        if folders not in ([], [stage.study]):
            found.append(
                f"{stage.name}: runs {stage.module}; its stage belongs into stages/{folders[0]}/dvc.yaml"
            )
        elif stage.entry != name and not (not folders and stage.entry.endswith(f"_{name}")):
            found.append(f"{stage.name}: runs {stage.module}, whose stage is named {name}")
        if not pipeline.root.joinpath("stages", *folders, name).with_suffix(".py").is_file():
            found.append(f"{stage.name}: {stage.module} does not exist")
    return found


def scripts_are_used(pipeline: Pipeline) -> list[str]:
    """Every script in stages/ belongs to a stage or is run by hand; a script is a file that defines `app`."""
    used = {stage.module for stage in pipeline.stages}
    found = []
    for path in sorted((pipeline.root / "stages").rglob("*.py")):
        relative = path.relative_to(pipeline.root)
        module = ".".join(relative.with_suffix("").parts)
        is_script = re.search(r"^app\b.*= typer\.Typer\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        if is_script and module not in used and relative.as_posix() not in BY_HAND:
            found.append(f"{relative}: no stage runs it")
    return found


def commands_parse(pipeline: Pipeline) -> list[str]:
    """Every resolved command line is one that its Typer app accepts."""
    commands, problems = [], []
    for stage in pipeline.stages:
        try:
            commands.append([stage.name, stage.module, stage.arguments])
        except AssayError as error:
            problems.append(f"{stage.name}: {error}")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("parse_commands.py").resolve()],
        input=json.dumps([command for command in commands if command[1] is not None]),
        capture_output=True,
        text=True,
        cwd=pipeline.root,
        env={**os.environ, "PYTHONPATH": str(pipeline.root.resolve()), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    if done.returncode != 0:
        return [*problems, f"the commands could not be parsed: {done.stderr.strip()}"]
    parsed: list[str] = json.loads(done.stdout)
    return problems + parsed


def code_is_declared(pipeline: Pipeline) -> list[str]:
    """Each stage's deps name exactly the code that its module can reach, in the words of `make deps`."""
    found = []
    for stage in pipeline.stages:
        declared = {dep for dep in stage.deps if is_code(dep)}
        try:
            needed = dependencies_of(stage.module or "", pipeline.root)
        except FileNotFoundError as error:
            found.append(f"{stage.name}: {error}")
            continue
        found += [
            f"{stage.name}: imports {path} but does not declare it" for path in sorted(needed - declared)
        ]
        found += [
            f"{stage.name}: declares {path}, which `make deps` leaves out"
            for path in sorted(declared - needed)
        ]
    return found


def data_files_are_named(pipeline: Pipeline) -> list[str]:
    """Package data that no module names would escape `code_is_declared`, so every file must be named by one."""
    root = pipeline.root
    modules = [p for package in PACKAGES for p in (root / package).rglob("*.py")]
    named = {
        file for p in modules for file in code_of(".".join(p.relative_to(root).with_suffix("").parts), root)
    }
    paths = [path.relative_to(root).as_posix() for path in data_files(root)]
    return [f"{path}: no module names this file in a string" for path in paths if path not in named]


def outputs_have_one_owner(pipeline: Pipeline) -> list[str]:
    """No two stages write the same file, nor one inside the folder of another."""
    owned = [(PurePosixPath(out.path), stage.name) for stage in pipeline.stages for out in stage.outputs]
    found = []
    for (first, owner), (second, other) in combinations(owned, 2):
        if first.is_relative_to(second) or second.is_relative_to(first):
            found.append(f"{first} of {owner} and {second} of {other} overlap; each output has one owner")
    return found


def lock_has_no_orphan(pipeline: Pipeline) -> list[str]:
    """Each dvc.lock only knows stages that exist."""
    names = {(stage.file, stage.item) for stage in pipeline.stages}
    return [
        f"{PurePosixPath(file).with_name('dvc.lock')}: {item} is no longer a stage; remove its entry"
        for file, items in pipeline.locked.items()
        for item in items
        if (file, item) not in names
    ]


def params_are_used(pipeline: Pipeline) -> list[str]:
    """Every key of params.yaml is declared by a stage or templated into one, and every declared key exists."""
    declared = {key for stage in pipeline.stages for file, key in stage.params if file == "params.yaml"}
    used = declared | set(re.findall(r"\$\{([\w.-]+)", json.dumps(pipeline.files)))
    keys = list(_leaves(pipeline.params))
    found = [
        f"params.yaml: no stage uses {key}" for key in keys if not any(_within(key, one) for one in used)
    ]
    for stage in pipeline.stages:
        for file, key in stage.params:
            if file == "params.yaml" and key and not any(_within(leaf, key) for leaf in keys):
                found.append(f"{stage.name}: params.yaml has no key {key}")
    return found


def values_are_declared(pipeline: Pipeline) -> list[str]:
    """A stage that takes `param:KEY` declares KEY under params: the command line does not change with its value."""
    return [
        f"{stage.name}: takes param:{key} but does not declare it under params"
        for stage in pipeline.stages
        for key in re.findall(r"\bparam:([\w.-]+)", stage.cmd)
        if not any(_within(key, declared) for file, declared in stage.params if file == "params.yaml")
    ]


def no_shell_reads_values(pipeline: Pipeline) -> list[str]:
    """A command holds values as `param:KEY` or as options of a mapping, which DVC quotes; `${key}` would go through the shell as it is."""
    found = []
    for file, definition in pipeline.files.items():
        for name, entry in definition["stages"].items():
            for key in re.findall(r"\$\{([\w.-]+)\}", entry_body(entry)["cmd"]):
                if key.split(".")[0] not in ("item", "key") and not isinstance(
                    _at(pipeline.params, key), dict
                ):
                    found.append(f"{file}, {name}: write param:{key} instead of ${{{key}}}")
    names = [stage for stage in pipeline.stages if not re.fullmatch(r"[\w@./-]+", stage.item)]
    return found + [f"{stage.name}: letters, digits, dots, - and _ only in names of items" for stage in names]


def everything_is_reached(pipeline: Pipeline) -> list[str]:
    """Every stage of a study is one that a root stage depends on: else `dvc repro` of the root would leave it out."""
    reached = {stage.name for stage in pipeline.stages if not stage.study}
    waiting = [stage for stage in pipeline.stages if not stage.study]
    while waiting:
        deps = waiting.pop().deps
        for stage in pipeline.stages:
            outs = [PurePosixPath(out.path) for out in stage.outputs]
            if stage.name not in reached and any(_touch(out, dep) for out in outs for dep in deps):
                reached.add(stage.name)
                waiting.append(stage)
    return [
        f"{stage.name}: no root stage depends on what it writes"
        for stage in pipeline.stages
        if stage.name not in reached
    ]


def reports_are_in_git(pipeline: Pipeline) -> list[str]:
    """Metrics and plots are `cache: false`: git holds them, so that diffs work in a clone without data."""
    return [
        f"{stage.name}: {out.path} under {out.kind} needs `cache: false`"
        for stage in pipeline.stages
        for out in stage.outputs
        if out.kind != "outs" and out.cached
    ]


def plots_exist(pipeline: Pipeline) -> list[str]:
    """The top-level plots draw files that a stage writes, with templates that DVC has (a misspelt one kills the page)."""
    from dvc_render.vega_templates import TEMPLATES

    templates = {template.DEFAULT_NAME for template in TEMPLATES}
    own = {path.stem for path in (pipeline.root / ".dvc/plots").glob("*.json")}
    written = {out.path for stage in pipeline.stages for out in stage.outputs}
    found = []
    for name, settings in _top_plots(pipeline):
        files = settings["y"] if isinstance(settings.get("y"), dict) else [name]
        found += [f"plot {name}: no stage writes {file}" for file in files if file not in written]
        if "template" in settings and settings["template"] not in templates | own:
            found.append(f"plot {name}: there is no template {settings['template']}")
    return found


def arguments_are_declared(pipeline: Pipeline) -> list[str]:
    """Every file of data/, metrics/ or plots/ on a command line is a dep or an output: else DVC misses its changes."""
    found = []
    for stage in pipeline.stages:
        known = [*stage.deps, *(out.path for out in stage.outputs)]
        for argument in stage.arguments:
            path = PurePosixPath(argument)
            if path.parts[:1] in {(folder,) for folder in MADE} and not any(
                _touch(path, one) for one in known
            ):
                found.append(
                    f"{stage.name}: {argument} is on the command line but neither a dep nor an output"
                )
    return found


def keys_are_in_order(pipeline: Pipeline) -> list[str]:
    """Each entry is read in the same order: desc, matrix or foreach, wdir, cmd, params, deps, outs, metrics, plots."""
    found = []
    for file, definition in pipeline.files.items():
        for name, entry in definition["stages"].items():
            for keys in (list(entry), list(entry["do"]) if "do" in entry else []):
                known = [key for key in KEY_ORDER if key in keys]
                if [key for key in keys if key in KEY_ORDER] != known:
                    found.append(f"{file}, {name}: write the keys in the order {', '.join(known)}")
            if "desc" not in entry_body(entry):
                found.append(f"{file}, {name}: say in `desc` what it does")
    return found


CHECKS = (
    names_agree,
    scripts_are_used,
    commands_parse,
    code_is_declared,
    data_files_are_named,
    outputs_have_one_owner,
    lock_has_no_orphan,
    params_are_used,
    values_are_declared,
    no_shell_reads_values,
    everything_is_reached,
    reports_are_in_git,
    plots_exist,
    arguments_are_declared,
    keys_are_in_order,
)


def is_code(dep: str) -> bool:
    """Is this dependency project code (a module or a package's data), not data?"""
    return dep.split("/")[0] in PACKAGES


def _leaves(params: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(params, dict) or not params:
        yield prefix
        return
    for key, value in params.items():
        yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))


def _within(key: str, whole: str) -> bool:
    return whole == "" or key == whole or key.startswith(f"{whole}.")


def _touch(path: PurePosixPath, other: str) -> bool:
    return path.is_relative_to(other) or PurePosixPath(other).is_relative_to(path)


def _at(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params[part] if isinstance(params, dict) and part in params else None
    return params


def _top_plots(pipeline: Pipeline) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name or path from the root, settings with paths from the root) of the plots that a dvc.yaml defines."""
    for file, definition in pipeline.files.items():
        folder = PurePosixPath(file).parent
        for item in definition.get("plots", ()):  # most files define none
            for name, settings in {item: {}}.items() if isinstance(item, str) else item.items():
                settings = dict(settings or {})
                if isinstance(settings.get("y"), dict):
                    settings["y"] = {
                        _from_root(folder, path): series for path, series in settings["y"].items()
                    }
                    yield name, settings
                else:
                    yield _from_root(folder, name), settings


def _from_root(folder: PurePosixPath, path: str) -> str:
    return os.path.normpath(folder / path)
