"""Parquet files: ours carry a digest of their bytes; what is wrong with one that a user brings is an AssayError."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from assay.errors import AssayError
from assay.storage.files import atomic_path
from assay.storage.seals import BLANK, check_seal, is_seal, sealed

_DIGEST = "assay.digest"


def write_parquet(path: Path, columns: Mapping[str, Any], facts: Mapping[str, str]) -> None:
    """Write columns (pyarrow arrays, or lists) as Parquet, whole or not at all; `facts` and a digest go into the metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(dict(columns)).replace_schema_metadata(dict(sorted(facts.items())))
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_DIGEST: BLANK})
    with atomic_path(path) as temporary:
        temporary.write_bytes(sealed(sink.getvalue().to_pybytes()))


@contextmanager
def open_parquet(path: Path) -> Iterator[BinaryIO]:
    """The file, for pyarrow to read in the block. Raises AssayError where it cannot be opened or is damaged."""
    import pyarrow

    try:
        check_seal(path)
        with open(path, "rb") as handle:
            _check_metadata(path, handle)
            yield handle
    except pyarrow.ArrowException as error:
        raise AssayError(f"{path} is not a Parquet file: {error}") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} holds text that is not UTF-8 ({error.reason}); write it again") from error
    except OSError as error:  # pyarrow raises bare OSErrors that carry their own text
        raise AssayError(f"cannot read {path}: {error.strerror or error}; check the file") from error


def _check_metadata(path: Path, handle: BinaryIO) -> None:
    """A digest that is none was damaged itself."""
    from pyarrow import parquet

    facts = parquet.read_metadata(handle).metadata or {}
    handle.seek(0)
    if not is_seal(facts.get(_DIGEST.encode(), BLANK.encode()).decode("utf-8", "replace")):
        raise AssayError(f"{path} is damaged: its digest is none; make it again or copy it again")
