"""Which files of the project does a module run? The import graph, read from source without importing anything."""

import ast
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

PACKAGES = ("assay", "stages")
NO_DATA = ("dvc.yaml", "dvc.lock", "README.md")  # they lie beside code and no code reads them
NO_RESULT = frozenset(
    {
        "assay/arrays.py",
        "assay/errors.py",
        "stages/preferences/asking_progress.py",
        "stages/shared/cli.py",
        "stages/shared/counts.py",
        "stages/shared/display.py",
        "stages/shared/outputs.py",
        "stages/shared/progress.py",
        "stages/shared/step_progress.py",
        "stages/shared/training_progress.py",
    }
)  # names of types, errors, the frame of a command line, what only prints: no output depends on them, so a change of them must rerun none
MOST_FILES = 2  # of one folder that a stage names one by one


def dependencies_of(module: str, root: Path) -> set[str]:
    """What a stage that runs `module` names under `deps:`: what it imports, by folder where that is much of one.

    Raises FileNotFoundError as `code_of` does.
    """
    return grouped(code_of(module, root) - NO_RESULT)


def grouped(files: Collection[str]) -> set[str]:
    """`files`, where those of a folder of assay/ that directly holds more than `MOST_FILES` of them become the folder.

    A folder stands for all below it. assay/ itself never does, nor does a folder of stages/: it holds scripts of other
    stages, whose changes must not rerun this one.
    """
    counts = Counter(PurePosixPath(file).parent for file in files)
    folders = {
        folder
        for folder, count in counts.items()
        if count > MOST_FILES and folder.parts[0] == "assay" and len(folder.parts) > 1
    }
    return {_outermost(PurePosixPath(file), folders).as_posix() for file in files}


def _outermost(file: PurePosixPath, folders: set[PurePosixPath]) -> PurePosixPath:
    """The largest of the folders that holds the file, else the file."""
    return next((folder for folder in reversed(file.parents) if folder in folders), file)


def code_of(module: str, root: Path) -> set[str]:
    """Every project file that importing `module` can reach, as posix paths relative to `root`.

    Follows imports inside functions, not those under `if TYPE_CHECKING`. An `__init__.py` that only holds a docstring
    is left out. A data file of a package (a template) belongs to the modules that name it in a string and to the
    data files that name it. Raises FileNotFoundError when `module` itself does not exist.
    """
    if _module_file(module, root) is None:
        raise FileNotFoundError(f"module {module} does not exist under {root}")
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _module_file(name, root)
        if path is not None:
            waiting.extend(_with_parents(_imported(name, path, root)))
    modules = {
        path for name in seen if (path := _module_file(name, root)) is not None and not _is_blank(path)
    }
    files = modules | _named_data(modules, data_files(root))
    return {path.relative_to(root).as_posix() for path in files}


def data_files(root: Path) -> list[Path]:
    """Package data: every file of the project's packages that is not Python."""
    found = (path for package in PACKAGES for path in sorted((root / package).rglob("*")))
    return [
        p
        for p in found
        if p.is_file()
        and p.suffix not in (".py", ".pyc")
        and not p.name.startswith(".")
        and p.name not in NO_DATA
    ]


def _module_file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _with_parents(modules: Iterator[str]) -> Iterator[str]:
    """Importing a.b.c runs a/__init__.py and a/b/__init__.py too."""
    for module in modules:
        parts = module.split(".")
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _imported(module: str, path: Path, root: Path) -> Iterator[str]:
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in _running_nodes(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _ours(alias.name))
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *(node.module.split(".") if node.module else [])])
            if _ours(base):
                yield base
                members = (f"{base}.{alias.name}" for alias in node.names)
                yield from (member for member in members if _module_file(member, root) is not None)


def _running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk `node`, passing over the bodies of `if TYPE_CHECKING:`."""
    yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for statement in node.orelse:
            yield from _running_nodes(statement)
        return
    for child in ast.iter_child_nodes(node):
        yield from _running_nodes(child)


def _ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


def _is_blank(path: Path) -> bool:
    if path.name != "__init__.py":
        return False
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def _named_data(modules: set[Path], data: list[Path]) -> set[Path]:
    strings = [text for module in modules for text in _strings(module)]
    waiting = [path for path in data if any(_names(text, path) for text in strings)]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(other for other in data if other != path and _text_names(path, other))
    return found


def _strings(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value


def _names(text: str, data: Path) -> bool:
    """Is `text` the file's name, or the end of its path?"""
    return text == data.name or data.as_posix().endswith(f"/{text.lstrip('/')}")


def _text_names(source: Path, data: Path) -> bool:
    return data.name in source.read_text(encoding="utf-8", errors="replace")
