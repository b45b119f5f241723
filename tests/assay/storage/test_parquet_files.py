"""Parquet files that carry a digest, and those of others that carry none."""

import pyarrow as pa
from pyarrow import parquet
from support.damage import unnoticed

from assay.storage.parquet_files import open_parquet, write_parquet


def read(path):
    with open_parquet(path) as handle:
        return parquet.read_table(handle)


def test_another_byte_anywhere_is_damage(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(path, {"a": [f"t{i}" for i in range(50)], "n": list(range(50))}, {"mode": "x"})
    assert read(path)["n"].to_pylist() == list(range(50))
    assert parquet.read_schema(path).metadata[b"mode"] == b"x"  # pyarrow alone reads it
    assert unnoticed(path, lambda: read(path), flips=300) == []


def test_equal_tables_give_equal_bytes(tmp_path):
    for name, facts in (("a", {"x": "1", "y": "2"}), ("b", {"y": "2", "x": "1"})):
        write_parquet(tmp_path / name, {"a": ["t"]}, facts)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_of_another_program_is_read(tmp_path):
    parquet.write_table(pa.table({"a": ["sha256:" + "0" * 64]}), tmp_path / "t.parquet")
    assert len(read(tmp_path / "t.parquet")) == 1
