"""Several outputs appear together or not at all."""

import os
import signal
from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.storage.files import write_text
from assay.storage.folders import atomic_folder
from assay.storage.scratch import scratch_folder
from assay.storage.together import all_or_none


def write_both(folder: Path, text: str) -> None:
    write_text(folder / "a", text)
    write_text(folder / "tables" / "b", text)
    with atomic_folder(folder / "whole", ("c",)) as whole:
        write_text(whole / "c", text)


def read(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_outputs_wait_for_the_end(tmp_path: Path) -> None:
    outputs = [tmp_path / "a", tmp_path / "tables", tmp_path / "whole"]
    with all_or_none(outputs):
        write_both(tmp_path, "1")
        write_text(tmp_path / "elsewhere", "1")
        assert not any(output.is_file() for output in outputs)
        assert (tmp_path / "elsewhere").read_text() == "1"
    assert read(tmp_path) == dict.fromkeys(("a", "tables/b", "whole/c", "elsewhere"), "1")


def test_after_an_exception_all_are_as_before(tmp_path: Path) -> None:
    write_both(tmp_path, "old")

    def fail() -> None:
        with all_or_none([tmp_path]):
            write_both(tmp_path, "new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read(tmp_path) == dict.fromkeys(("a", "tables/b", "whole/c"), "old")


def test_two_outputs_at_one_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a")

    def write_twice() -> None:
        with all_or_none([tmp_path]):
            write_text(tmp_path / "a", "1")
            write_text(tmp_path / "link", "2")

    with pytest.raises(AssayError, match=r"two outputs of this command go to .*/a"):
        write_twice()
    assert not (tmp_path / "a").exists()


def test_unfinished_work_is_kept_until_the_outputs_are_there(tmp_path: Path) -> None:
    def work(error: Exception | None) -> None:
        with all_or_none([tmp_path / "out"]):
            with scratch_folder(tmp_path / "scratch", "a" * 64) as folder:
                (folder / "part").write_text("1")
                write_text(tmp_path / "out", "1")
            if error is not None:
                raise error

    with pytest.raises(ZeroDivisionError):
        work(ZeroDivisionError())
    assert read(tmp_path / "scratch") == {"a" * 32 + "/part": "1", "a" * 32 + ".lock": str(os.getpid())}
    work(None)
    assert read(tmp_path) == {"out": "1"}


@pytest.mark.parametrize("moves", range(7))
def test_a_kill_while_outputs_take_their_places_leaves_no_mixture(tmp_path: Path, moves: int) -> None:
    """Killed after so many renames (the first is before the end, two make one folder), the next command finds all new or all old."""
    write_both(tmp_path, "old")
    outputs = [tmp_path / "a", tmp_path / "tables", tmp_path / "whole"]
    child = os.fork()
    if child == 0:
        replace, done = os.replace, []

        def counted(source: Path, target: Path) -> None:
            if len(done) == moves:
                os.kill(os.getpid(), signal.SIGKILL)
            done.append(target)
            replace(source, target)

        os.replace = counted  # type: ignore[assignment]
        with all_or_none(outputs):
            write_both(tmp_path, "new")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (-signal.SIGKILL if moves < 5 else 0)
    with all_or_none(outputs[:1]):  # of any of them
        left = {name: text for name, text in read(tmp_path).items() if moves or ".tmp" not in name}
        assert left == dict.fromkeys(("a", "tables/b", "whole/c"), "new" if moves else "old")


def test_a_record_that_was_cut_short_or_made_by_others_moves_nothing(tmp_path: Path) -> None:
    write_both(tmp_path, "old")
    (tmp_path / ".a.12345678.tmp").write_text("new")
    for text in ("[[", "[1]", "7", '[["a", "tables/b"]]', '[["../x", "../.x.12345678.tmp2"]]'):
        (tmp_path / ".commit.12345678.tmp").write_text(text)
        with all_or_none([tmp_path / "a"]):
            pass
        assert (tmp_path / "a").read_text() == "old"
        assert not (tmp_path / ".commit.12345678.tmp").exists()
