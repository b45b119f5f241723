"""One section of the params file."""

from pathlib import Path

from assay.errors import AssayError
from stages.shared.cli import read_mapping


def read_section(params: Path, name: str) -> object:
    """The value of a top-level key. Raises AssayError when the file or the key is missing."""
    values = read_mapping(params)
    if name not in values:
        raise AssayError(f"{params} has no section {name!r}; add it")
    return values[name]
