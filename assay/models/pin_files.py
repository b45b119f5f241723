"""Pins as JSON files, with a digest of their fields: a pin says exactly which weights, so not a character may change."""

from pathlib import Path

from assay.errors import AssayError
from assay.models.registry import Pin
from assay.storage.files import write_json
from assay.storage.fingerprints import fingerprint
from assay.storage.json_text import read_document

_DIGEST = "digest"


def write_pin(path: Path, pin: Pin) -> None:
    """Write a pin, whole or not at all."""
    fields = pin.to_json()
    write_json(path, {**fields, _DIGEST: fingerprint(fields)})


def read_pin(path: Path) -> Pin:
    """The pin in a JSON file. One without a digest, of an earlier version, is read as well.

    Raises AssayError that names the file when it holds none, or one that is not as it was written.
    """
    value = read_document(path)
    fields = (
        {name: one for name, one in value.items() if name != _DIGEST} if isinstance(value, dict) else value
    )
    try:
        pin = Pin.from_json(fields)
    except AssayError as error:
        raise AssayError(f"{path}: {error}") from error
    if value.get(_DIGEST, fingerprint(fields)) != fingerprint(fields):
        raise AssayError(
            f"{path} is damaged or was changed by hand: its fields are not those that were written; "
            "make it anew with `dvc repro pin`"
        )
    return pin
