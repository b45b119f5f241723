"""A byte that changes in a finished shard is noticed."""

from pathlib import Path

import numpy as np
import pytest

from assay.activations.shards import Shard, check_shards, is_complete, write_shard
from assay.errors import AssayError

ROWS = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
ROW_BYTES = 24


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    made = Shard(tmp_path / "0.rows", [[0, 1]], 4)
    write_shard(made, [ROWS[:3], ROWS[3:]])
    return made


def test_a_shard_is_its_rows_and_what_checks_them(shard: Shard) -> None:
    assert shard.path.read_bytes()[: ROWS.nbytes] == ROWS.tobytes()
    assert is_complete(shard, ROW_BYTES)
    check_shards([shard])


@pytest.mark.parametrize("place", [0, 50, ROWS.nbytes - 1, ROWS.nbytes, -1])
def test_any_flipped_byte_is_noticed(shard: Shard, place: int) -> None:
    content = bytearray(shard.path.read_bytes())
    content[place] ^= 1
    shard.path.write_bytes(content)
    assert not is_complete(shard, ROW_BYTES)
    with pytest.raises(AssayError, match=r"0\.rows has changed since it was written.*run again"):
        check_shards([shard])


def test_a_shard_of_another_length_is_not_complete(shard: Shard) -> None:
    shard.path.write_bytes(shard.path.read_bytes()[:-1])
    assert not is_complete(shard, ROW_BYTES)
    shard.path.unlink()
    assert not is_complete(shard, ROW_BYTES)
