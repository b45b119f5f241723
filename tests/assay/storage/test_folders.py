"""Folders that appear whole or not at all."""

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from assay.errors import AssayError
from assay.storage.files import write_text
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


def save_tensors(folder: Path) -> None:
    save_file({"a": np.zeros(99)}, folder / "t")


def save_tokenizer(folder: Path) -> None:
    Tokenizer(WordLevel({f"word {i}": i for i in range(99)}, "word 1")).save(str(folder / "t"))


def copy_tree(folder: Path) -> None:
    shutil.copytree(folder.parents[1] / "in", folder / "in")


@pytest.mark.parametrize("save", [save_tensors, save_tokenizer, copy_tree])
def test_a_disk_that_takes_no_more_is_one_clear_error_whoever_meets_it(
    tmp_path: Path, save: Callable[[Path], None]
) -> None:
    """safetensors and tokenizers raise errors of their own, and copytree a list of them."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("x" * 999)
    (tmp_path / "said").write_text("")

    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # a write beyond it fails as on a full disk
        try:
            with atomic_folder(tmp_path / "out", ()) as new:
                save(new)
        except AssayError as error:
            (tmp_path / "said").write_text(str(error).removeprefix(f"cannot write {tmp_path}/")[:99])

    child = os.fork()
    if child == 0:
        try:
            write()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "said").read_text().startswith("out: File too large; free space or choose another")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "said"]


def test_an_error_within_a_folder_names_where_the_file_would_be(tmp_path: Path) -> None:
    with (
        pytest.raises(AssayError, match=rf"cannot write {tmp_path}/out: a folder is there"),
        atomic_folder(tmp_path / "out", ()) as new,
    ):
        write_text(new, "x")
