import subprocess
import sys
import threading
from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.storage.scratch import scratch_folder

KEY = "a" * 64


def interrupted_work(folder: Path) -> None:
    (folder / "part").write_text("1")
    (folder / "nowhere").read_text()


def test_work_is_kept_after_an_exception_and_removed_after_success(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), scratch_folder(tmp_path, KEY) as folder:
        interrupted_work(folder)
    with scratch_folder(tmp_path, KEY) as folder:
        assert (folder / "part").read_text() == "1"
    assert list(tmp_path.iterdir()) == []


def test_work_is_not_begun_twice_in_one_process_and_another_work_is_no_obstacle(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, KEY):
        with (
            pytest.raises(AssayError, match="this process is already writing"),
            scratch_folder(tmp_path, KEY),
        ):
            pass
        with scratch_folder(tmp_path, "b" * 64):
            pass
    with scratch_folder(tmp_path, KEY):  # the lock is gone with its holder
        pass


OTHER = """
import sys, time
from pathlib import Path
from assay.storage.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), "a" * 64) as folder:
    (folder / "part").write_text("other")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_waits_for_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        threading.Timer(0.3, other.stdin.close).start()
        with scratch_folder(tmp_path, KEY) as folder:
            assert list(folder.iterdir()) == []  # the other one finished its work
    assert other.returncode == 0
    assert caplog.records[0].getMessage().startswith(f"waiting for process {other.pid}")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_nobody_holds_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"{KEY[:32]}.lock").write_text("12345")  # left by SIGKILL
    with scratch_folder(tmp_path, KEY) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match="scratch folder"), scratch_folder(tmp_path / "file", KEY):
        pass
