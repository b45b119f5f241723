import errno
import hashlib
import os
import stat

import pytest

from assay.errors import AssayError
from assay.storage.files import atomic_path, hash_file, hash_folder, write_json, write_text
from assay.storage.json_text import read_document


def test_a_failed_write_leaves_the_earlier_file_and_no_debris(tmp_path):
    target = tmp_path / "out.txt"
    write_text(target, "old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "no space"), OSError("h5py says: file write failed")]
)
def test_a_full_disk_is_one_clear_error(tmp_path, error):
    target = tmp_path / "out.txt"
    write_text(target, "old")

    def fill():
        with atomic_path(target):
            raise error

    with pytest.raises(AssayError, match=r"cannot write .*out\.txt.*untouched"):
        fill()
    assert target.read_text() == "old"


def test_new_files_get_ordinary_permissions(tmp_path):
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "out.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o644


def test_json_is_sorted_strict_and_ends_in_a_newline(tmp_path):
    write_json(tmp_path / "deep" / "m.json", {"b": 1, "a": 0.5})
    assert (tmp_path / "deep" / "m.json").read_text() == '{\n  "a": 0.5,\n  "b": 1\n}\n'
    with pytest.raises(AssayError, match=r"bad\.json would hold a NaN"):
        write_json(tmp_path / "bad.json", {"a": float("nan")})
    assert not (tmp_path / "bad.json").exists()


def test_read_json_names_the_file(tmp_path):
    with pytest.raises(AssayError, match=r"x\.json does not exist"):
        read_document(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("{")
    with pytest.raises(AssayError, match=r"y\.json is not valid JSON"):
        read_document(tmp_path / "y.json")


def test_hashes(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_bytes(b"1")
    (folder / "sub" / "b").write_bytes(b"2")
    assert hash_file(folder / "a") == hashlib.sha256(b"1").hexdigest()
    first = hash_folder(folder)
    (folder / ".hidden").write_bytes(b"3")
    assert hash_folder(folder) == first
    (folder / "a").rename(folder / "c")
    assert hash_folder(folder) != first
