"""Pins on disk: what was written is read, and not a character of it may change."""

import json

import pytest
from support.damage import unnoticed

from assay.errors import AssayError
from assay.models.pin_files import read_pin, write_pin
from assay.models.registry import Pin
from assay.storage.files import write_json

PIN = Pin(
    "organism", "data/organism/chat", "folder", None, "ab" * 32, None, "gemma3_text", 26, 64, 4, 1, 16, 256, 1500, 512,
    "float32", "bfloat16", "cd" * 32, "ef" * 32, False,
)  # fmt: skip


def test_what_is_written_is_read_and_nothing_else(tmp_path):
    path = tmp_path / "pin.json"
    write_pin(path, PIN)
    assert read_pin(path) == PIN
    assert unnoticed(path, lambda: read_pin(path), flips=300) == []
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields))  # laid out otherwise, the same pin
    assert read_pin(path) == PIN
    write_json(path, fields | {"n_layers": 13})
    with pytest.raises(AssayError, match=r"pin.json is damaged or was changed by hand.*make it anew"):
        read_pin(path)


def test_a_pin_of_an_earlier_version_has_no_digest_and_is_read(tmp_path):
    write_json(tmp_path / "pin.json", PIN.to_json())
    assert read_pin(tmp_path / "pin.json") == PIN
    (tmp_path / "pin.json").write_text("[1]")
    with pytest.raises(AssayError, match=r"pin\.json: a pin must be a JSON object"):
        read_pin(tmp_path / "pin.json")
