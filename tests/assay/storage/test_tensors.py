"""Arrays with metadata in one safetensors file: what is written is read, and what is not there is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save
from support.damage import unnoticed

from assay.errors import AssayError
from assay.storage.tensors import open_tensors, write_tensors


def test_what_is_written_is_read(tmp_path: Path) -> None:
    grid = np.arange(6, dtype=np.float64).reshape(2, 3)
    write_tensors(tmp_path / "f", "kind", {"b": grid.T, "a": np.float32([0.1])}, {"z": 1, "a": "é"})
    with open_tensors(tmp_path / "f", "kind", "things") as file:
        assert (file.about, file.names) == ({"z": 1, "a": "é"}, ["a", "b"])
        assert np.array_equal(file.read("b"), grid.T)
        assert file.read("a").dtype == np.float32
    with safe_open(tmp_path / "f", framework="np") as plain:  # safetensors alone reads it
        about = json.loads(plain.metadata()["kind"])
        assert about.pop("digest").startswith("assay:sha256:")
        assert about == {"a": "é", "z": 1}
    write_tensors(tmp_path / "again", "kind", {"a": np.float32([0.1]), "b": grid.T}, {"a": "é", "z": 1})
    assert (tmp_path / "f").read_bytes() == (tmp_path / "again").read_bytes()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with pytest.raises(AssayError, match="f does not exist"), open_tensors(path, "kind", "things"):
        pass
    write_tensors(path, "kind", {"a": np.zeros(2)}, {})
    with (
        pytest.raises(AssayError, match="holds no others; give another file"),
        open_tensors(path, "o", "others"),
    ):
        pass
    with (
        pytest.raises(AssayError, match="not a readable file of things"),
        open_tensors(path, "kind", "things") as f,
    ):
        f.read("b")
    with (
        pytest.raises(AssayError, match="not a readable file of things"),
        open_tensors(path, "kind", "things") as f,
    ):
        f.about["b"]
    path.write_bytes(path.read_bytes()[:-1])
    with (
        pytest.raises(AssayError, match="not a readable file of things"),
        open_tensors(path, "kind", "things"),
    ):
        pass


def test_another_byte_anywhere_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_tensors(path, "kind", {"a": np.arange(9.0), "b": np.ones(3, np.float32)}, {"z": "é"})

    def read() -> None:
        with open_tensors(path, "kind", "things") as file:
            assert [file.read(name) for name in file.names]

    assert unnoticed(path, read, flips=500) == []


def test_a_file_of_an_earlier_version_has_no_digest_and_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(save({"a": np.ones(2)}, {"kind": '{"z": 1}'}))
    with open_tensors(tmp_path / "f", "kind", "things") as file:
        assert (file.about, file.read("a").tolist()) == ({"z": 1}, [1, 1])
