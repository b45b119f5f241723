"""verify_store names every bad object of a store made by hand."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def put(store: Path, content: bytes, suffix: str = "") -> Path:
    digest = hashlib.md5(content).hexdigest()
    path = store / "files/md5" / digest[:2] / f"{digest[2:]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    members = [(f"{i}.txt", f"file {i}".encode()) for i in range(4)]
    for _, content in members:
        put(tmp_path, content)
    listing = [{"md5": hashlib.md5(content).hexdigest(), "relpath": name} for name, content in members]
    put(tmp_path, json.dumps(listing).encode(), ".dir")
    return tmp_path


def verify(store: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stages.verify_store", "--store", str(store), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_sound_store(store: Path) -> None:
    done = verify(store)
    assert (done.returncode, done.stdout) == (0, f"{store}/files/md5: all 5 objects are intact\n")


def test_every_kind_of_damage_is_named(store: Path) -> None:
    flipped, truncated = put(store, b"flip me"), put(store, b"cut me")
    flipped.write_bytes(b"flip mE")
    truncated.write_bytes(b"")
    put(store, b"file 2").unlink()
    listing = put(store, b"[]", ".dir")
    listing.write_bytes(b"[")
    stray = store / "files/md5/ab/.Xy12.tmp"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"half")
    done = verify(store)
    lines = sorted(done.stdout.splitlines())
    assert done.returncode == 1
    assert lines[:3] == sorted(
        [
            f"corrupted: {flipped} holds 7 bytes whose md5 is {hashlib.md5(b'flip mE').hexdigest()}",
            f"corrupted: {truncated} holds 0 bytes whose md5 is {hashlib.md5(b'').hexdigest()}",
            f"corrupted: {listing} holds 1 bytes whose md5 is {hashlib.md5(b'[').hexdigest()}",
        ]
    )
    assert lines[3].startswith(f"missing: {hashlib.md5(b'file 2').hexdigest()} (2.txt), listed by ")
    assert lines[4].startswith(f"stray: {stray} ")
    assert len(lines) == 5
    assert done.stderr.splitlines()[-1].startswith("error: 5 problems among 8 files")


def test_a_partial_store_may_lack_files(store: Path) -> None:
    put(store, b"file 2").unlink()
    assert verify(store, "--allow-missing").returncode == 0


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    done = verify(tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {tmp_path} is no DVC store: it has no folder files/md5; give .dvc/cache or a directory remote\n"
    )
