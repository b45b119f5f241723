"""Parquet files that a user brings, opened so that what is wrong with one is an AssayError."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from assay.errors import AssayError


@contextmanager
def open_parquet(path: Path) -> Iterator[BinaryIO]:
    """The file, for pyarrow to read in the block. Raises AssayError where it cannot be opened or is damaged."""
    import pyarrow

    try:
        with open(path, "rb") as handle:
            yield handle
    except pyarrow.ArrowException as error:
        raise AssayError(f"{path} is not a Parquet file: {error}") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} holds text that is not UTF-8 ({error.reason}); write it again") from error
    except OSError as error:  # pyarrow raises bare OSErrors that carry their own text
        raise AssayError(f"cannot read {path}: {error.strerror or error}; check the file") from error
