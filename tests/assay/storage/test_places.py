"""What may be written where: links are followed, nothing but files and folders of ours is replaced."""

import os
import socket
from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.storage.files import write_text
from assay.storage.places import file_place, folder_place, refuse_foreign


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("old")
    (tmp_path / "link").symlink_to("elsewhere/file")
    (tmp_path / "chain").symlink_to("link")
    write_text(tmp_path / "chain", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "chain").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["chain", "elsewhere", "file", "link"]


def test_a_link_to_nothing_makes_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("made")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "made").read_text() == "new"


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_a_pipe").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(tmp_path)  # the address of a socket must be short
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        for name, kind in (
            ("pipe", "a pipe"), ("folder", "a folder"), ("to_a_pipe", "a pipe"), ("socket", "a socket"),
            ("loop", "Too many levels of symbolic links"),
        ):  # fmt: skip
            with pytest.raises(AssayError, match=f"cannot write .*{name}: {kind}"):
                write_text(tmp_path / name, "x")
    with pytest.raises(AssayError, match="cannot write /dev/null: a device is there"):
        file_place(Path("/dev/null"))
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_into_a_read_only_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cached").write_text("old")
    (tmp_path / "cached").chmod(0o444)
    (tmp_path / "link").symlink_to("cached")
    with pytest.raises(AssayError, match="link to a read-only file"):
        write_text(tmp_path / "link", "new")
    assert (tmp_path / "cached").read_text() == "old"


def test_a_folder_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AssayError, match=r"cannot write .*file: a file is there"):
        folder_place(tmp_path / "file")


@pytest.mark.parametrize(
    ("present", "foreign"),
    [
        ([], None),
        (["train.jsonl"], None),
        (["risk/train.jsonl", "questions/a.csv"], None),
        (["train.jsonl", "notes.txt"], "notes.txt"),
        (["risk/train.jsonl.bak"], "risk/train.jsonl.bak"),
        (["answers/a.csv"], "answers/a.csv"),
        ([".hidden"], ".hidden"),
    ],
)
def test_only_what_a_command_writes_is_replaced(
    tmp_path: Path, present: list[str], foreign: str | None
) -> None:
    for name in present:
        write_text(tmp_path / "out" / name, "x")
    made = ("train.jsonl", "questions/*.csv")
    if foreign is None:
        refuse_foreign(tmp_path / "out", made)
        return
    with pytest.raises(AssayError, match=f"holds {foreign}, which this command does not write"):
        refuse_foreign(tmp_path / "out", made)


def test_a_link_in_a_folder_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "out" / "train.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(AssayError, match=r"holds train\.jsonl"):
        refuse_foreign(tmp_path / "out", ("train.jsonl",))
