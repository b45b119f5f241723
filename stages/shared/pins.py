"""Pin files: which weights exactly, as `pin` wrote it."""

from pathlib import Path

from assay.errors import AssayError
from assay.models.registry import Pin
from assay.storage.files import read_json


def read_pin(path: Path) -> Pin:
    """The pin in a JSON file. Raises AssayError that names the file when it holds none."""
    value = read_json(path)
    try:
        return Pin.from_json(value)
    except AssayError as error:
        raise AssayError(f"{path}: {error}") from error
