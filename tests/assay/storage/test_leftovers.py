"""What a killed process leaves beside its target goes with the next run; what a living one uses stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from assay.storage.files import atomic_path, write_text
from assay.storage.folders import atomic_folder
from assay.storage.leftovers import collect, is_temporary

KILLED = """
import os, signal, sys
from pathlib import Path
from assay.storage.files import atomic_path
from assay.storage.folders import atomic_folder
with atomic_path(Path(sys.argv[1]) / "file") as half, atomic_folder(Path(sys.argv[1]) / "folder", ()) as folder:
    half.write_text("half")
    (folder / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_leftovers_of_a_killed_process_go_with_the_next_run(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    assert all(is_temporary(Path(name)) for name in names(tmp_path))
    write_text(tmp_path / "file", "whole")
    with atomic_folder(tmp_path / "folder", ()) as folder:
        (folder / "part").write_text("whole")
    assert names(tmp_path) == ["file", "folder"]


def test_files_in_use_and_files_of_others_stay(tmp_path: Path) -> None:
    for name in (".file.backup.tmp", ".file.ABCDEFGH.tmp", ".other.abcdefgh.tmp", "file.tmp"):
        (tmp_path / name).write_text("mine")
    with atomic_path(tmp_path / "file") as first:
        first.write_text("1")
        write_text(tmp_path / "file", "2")
        assert first.read_text() == "1"
    assert (tmp_path / "file").read_text() == "1"
    assert names(tmp_path) == [
        ".file.ABCDEFGH.tmp",
        ".file.backup.tmp",
        ".other.abcdefgh.tmp",
        "file",
        "file.tmp",
    ]


def test_a_folder_whose_replacement_was_cut_short_is_put_back(tmp_path: Path) -> None:
    leftover = tmp_path / ".folder.abcdefgh.tmp"
    (leftover / "old").mkdir(parents=True)
    (leftover / "old" / "a").write_text("earlier")
    (leftover / "new").mkdir()
    collect(tmp_path / "folder")
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "a").read_text() == "earlier"


def test_a_lock_is_let_go(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        write_text(tmp_path / "file", "x")
    assert len(os.listdir("/proc/self/fd")) == before
