"""Folders that appear whole or not at all."""

from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.storage.folders import atomic_folder


def test_a_folder_is_whole_or_as_before(tmp_path: Path) -> None:
    target = tmp_path / "made" / "folder"
    with atomic_folder(target, ("a", "b")) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()

    def fail() -> None:
        with atomic_folder(target, ("a", "b")) as folder:
            (folder / "a").write_text("2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in target.iterdir()] == ["a"]
    assert (target / "a").read_text() == "1"
    with atomic_folder(target, ("a", "b")) as folder:
        (folder / "b").write_text("3")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AssayError, match=r"cannot write .*file/folder.*choose another place"):
        atomic_folder(tmp_path / "file" / "folder", ()).__enter__()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(AssayError, match=r"holds notes\.txt"):
        atomic_folder(tmp_path / "mine", ("a",)).__enter__()
    (tmp_path / "file").write_text("x")
    with pytest.raises(AssayError, match="a file is there"):
        atomic_folder(tmp_path / "file", ("a",)).__enter__()
    assert (tmp_path / "mine" / "notes.txt").read_text() == "x"
    assert (tmp_path / "file").read_text() == "x"


def test_a_linked_folder_keeps_its_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_folder(tmp_path / "link", ("a",)) as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "1"
