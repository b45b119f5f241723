import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from assay.activations.store import ON_DISK, StoreHeader, create_store, open_store
from assay.errors import AssayError

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class FakePin:
    alias: str
    fingerprint: str


def header(dtype: str = "float32", pooling: str = "last") -> StoreHeader:
    return StoreHeader("organism", "f" * 64, "resid", "prompt[-1]", pooling, dtype, "e" * 64)


def write(path: Path, rows: np.ndarray, dtype: str = "float32", step: int = 7) -> Path:
    """A store of rows [n, layers, d] for layers 3 and 12, in small writes."""
    ids = [f"récord {i}" for i in range(len(rows))]
    with create_store(path, header(dtype), layers=[3, 12], d=rows.shape[2], ids=ids) as store:
        for start in range(0, len(rows), step):
            store.write(rows[start : start + step])
    return path


ROWS = RNG.normal(size=(500, 2, 300)).astype(np.float32)  # more than one chunk per layer


def test_round_trip(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", ROWS)
    with open_store(path, pin=FakePin("organism", "f" * 64), site="resid", position="prompt[-1]") as store:
        assert (store.layers, store.n_rows, store.d, store.offsets) == ([3, 12], 500, 300, None)
        assert store.ids[:2] == ["récord 0", "récord 1"]
        assert np.array_equal(store.read(3), ROWS[:, 0])
        assert np.array_equal(store.read(12, slice(490, 999)), ROWS[490:, 1])
        assert np.array_equal(store.read(12, slice(None, None, -9)), ROWS[::-9, 1])
        index = RNG.integers(0, 500, 700)  # unsorted, with repeats
        assert np.array_equal(store.read(12, index), ROWS[index, 1])
        mask = RNG.random(500) < 0.3
        assert np.array_equal(store.read(3, mask), ROWS[mask, 0])
        assert store.read(3, np.array([], dtype=np.int64)).shape == (0, 300)
        chunks = list(store.iter_chunks(3, 64))
        assert [len(chunk) for chunk in chunks] == [64] * 7 + [52]
        assert np.array_equal(np.concatenate(chunks), ROWS[:, 0])
        with pytest.raises(AssayError, match="no layer 4; it holds 3, 12"):
            store.read(4)
        with pytest.raises(IndexError):
            store.read(3, np.array([500]))


def test_several_rows_per_record(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    offsets = np.array([0, 2, 3, 10])
    with create_store(
        path, header(pooling="none"), layers=[0], d=300, ids=["a", "b", "c"], offsets=offsets
    ) as store:
        store.write(ROWS[:10, :1])
    with open_store(path, pooling="none") as opened:
        assert opened.n_rows == 10
        assert np.array_equal(opened.offsets, offsets)
        assert np.array_equal(opened.read(0, opened.rows_of(2)), ROWS[3:10, 0])


def test_bfloat16_is_kept_bit_for_bit(tmp_path: Path) -> None:
    tensor = torch.randn(40, 2, 8).to(torch.bfloat16)
    path = write(tmp_path / "a.h5", tensor.view(torch.uint16).numpy(), "bfloat16")
    with h5py.File(path) as file:
        assert file["layers/3"].dtype == np.uint16
        assert file.attrs["dtype"] == "bfloat16"
    with open_store(path) as store:
        assert np.array_equal(store.read(12), tensor[:, 1].float().numpy())


def test_same_content_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.h5", ROWS, step=100).read_bytes()
    time.sleep(1.1)  # HDF5 time stamps count seconds
    assert write(tmp_path / "b.h5", ROWS, step=100).read_bytes() == first


def test_the_reader_cannot_write(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", ROWS)
    before = path.stat().st_mtime_ns
    with open_store(path) as store:
        assert store._file.mode == "r"
    assert path.stat().st_mtime_ns == before


def test_another_pin_or_request_is_refused_and_both_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", ROWS)
    with (
        pytest.raises(AssayError, match=r"organism, pin ffff.*gemma, pin 0000"),
        open_store(path, pin=FakePin("gemma", "0" * 64)),
    ):
        pass
    for wrong in ({"site": "heads"}, {"position": "all"}, {"pooling": "mean"}):
        (name, value), *_ = wrong.items()
        with (
            pytest.raises(AssayError, match=rf"{name} '.*'{value}' was asked for"),
            open_store(path, **wrong),
        ):
            pass


def break_file(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = bytearray()
    elif how == "text":
        content = bytearray(b"id,label\n1,2\n")
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "empty", "text"])
def test_a_broken_file_is_refused(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "a.h5", ROWS)
    break_file(path, how)
    with (
        pytest.raises(AssayError, match=r"a\.h5 is not a readable activation store.*run the stage"),
        open_store(path),
    ):
        pass


def test_flipped_bits_are_found_when_their_chunk_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", ROWS)
    content = bytearray(path.read_bytes())
    at = bytes(content).index(ROWS[400, 1].tobytes())
    content[at + 17] ^= 0x40
    path.write_bytes(content)
    with open_store(path) as store:
        assert np.array_equal(store.read(3), ROWS[:, 0])
        with pytest.raises(AssayError, match="corrupt"):
            store.read(12)


def test_missing_folder_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="does not exist"), open_store(tmp_path / "no.h5"):
        pass
    with pytest.raises(AssayError, match=r"not a readable|folder"), open_store(tmp_path):
        pass
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(AssayError, match="schema"), open_store(tmp_path / "other.h5"):
        pass


def test_a_store_that_is_not_filled_does_not_appear(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_text("earlier")
    with (
        pytest.raises(RuntimeError, match="7 of 9 rows"),
        create_store(path, header(), layers=[3, 12], d=300, ids=[str(i) for i in range(9)]) as store,
    ):
        store.write(ROWS[:7])
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["a.h5"]
    with pytest.raises(AssayError, match="no row"), create_store(path, header(), layers=[1], d=3, ids=[]):
        pass


FULL_DISK = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from test_store import ROWS, write
from assay.errors import AssayError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)  # a write beyond it fails like one on a full disk
try:
    write(__import__("pathlib").Path(sys.argv[1]), ROWS)
except AssayError as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.parametrize("limit", [0, 1_000, 300_000, 1_150_000])
def test_a_full_disk_is_one_error_and_keeps_the_earlier_store(tmp_path: Path, limit: int) -> None:
    """In a process of its own: plain HDF5 would crash the interpreter at exit (SIGSEGV), not only raise."""
    path = write(tmp_path / "a.h5", ROWS[:20])
    before = path.read_bytes()
    arguments = [str(path), str(Path(__file__).parent), str(limit)]
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith(f"cannot write {path}: File too large")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.h5"]


def test_every_dtype_has_a_disk_form() -> None:
    assert {name: dtype.itemsize for name, dtype in ON_DISK.items()} == {
        "float32": 4,
        "bfloat16": 2,
        "float16": 2,
    }
