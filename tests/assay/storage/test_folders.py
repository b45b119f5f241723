"""Folders that appear whole or not at all."""

from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.storage.folders import atomic_folder


def test_a_folder_is_whole_or_as_before(tmp_path: Path) -> None:
    target = tmp_path / "made" / "folder"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()

    def fail() -> None:
        with atomic_folder(target) as folder:
            (folder / "a").write_text("2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in target.iterdir()] == ["a"]
    assert (target / "a").read_text() == "1"
    with atomic_folder(target) as folder:
        (folder / "b").write_text("3")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AssayError, match=r"cannot write .*file/folder.*choose another place"):
        atomic_folder(tmp_path / "file" / "folder").__enter__()
