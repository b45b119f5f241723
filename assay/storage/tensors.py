"""Named arrays with JSON metadata in one safetensors file: vectors, directions and probes are kept so. No pickle.

The metadata holds a digest of the whole file; one without, of an earlier version, is read as well.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from assay.errors import AssayError
from assay.storage.files import atomic_path
from assay.storage.seals import BLANK, check_seal, is_seal, sealed

_DIGEST = "digest"


@dataclass(frozen=True)
class TensorFile:
    """An open file: its metadata `about`, and its arrays by name."""

    about: dict[str, Any]
    file: Any

    @property
    def names(self) -> list[str]:
        """Of all arrays, sorted."""
        return sorted(self.file.keys())

    def read(self, name: str) -> NDArray[Any]:
        """One array, as it was written."""
        array: NDArray[Any] = self.file.get_tensor(name)
        return array


def write_tensors(
    path: Path, key: str, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, object]
) -> None:
    """Write arrays and, under `key`, what they are (JSON), whole or not at all; equal ones give equal bytes."""
    # One key of metadata: safetensors writes several in an order that differs between processes.
    metadata = {key: json.dumps({**about, _DIGEST: BLANK}, sort_keys=True, allow_nan=False)}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(sealed(save(contiguous, metadata)))


@contextmanager
def open_tensors(path: Path, key: str, what: str) -> Iterator[TensorFile]:
    """A file of `write_tensors` with metadata under `key`; `what` is the word for its content in errors.

    Raises AssayError when there is no such file, it holds something else, it is damaged, or it cannot be read, which the block that
    reads it may find out: a missing array or field (KeyError, TypeError, ValueError) is an unreadable file.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = (file.metadata() or {}).get(key)
            if metadata is None:
                raise AssayError(f"{path} is a safetensors file but holds no {what}; give another file")
            check_seal(path)
            about = json.loads(metadata)
            if not is_seal(about.pop(_DIGEST, BLANK)):
                raise ValueError("its digest is none")
            yield TensorFile(about, file)
    except FileNotFoundError as error:
        raise AssayError(f"{path} does not exist; run the stage that makes it, or check the path") from error
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise AssayError(f"{path} is not a readable file of {what}: {error}; make it again") from error
