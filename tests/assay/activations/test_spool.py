"""Encoded records come back as they were added, or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from assay.activations.spool import Spool
from assay.errors import AssayError


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        for name in ("a", "b"):
            spool.add(name, np.array([1, 2, 3]), np.array([2]))
        spool._file.flush()
        os.pwrite(spool._file.fileno(), b"\7", 20)  # in b
        assert [part.tolist() for part in spool.get(0)] == [[1, 2, 3], [2]]
        with pytest.raises(AssayError, match=r"token ids in .* have changed"):
            spool.get(1)
