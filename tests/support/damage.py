"""Single bytes of a file that are not as they were written."""

import random
from collections.abc import Callable
from pathlib import Path

from assay.errors import AssayError


def unnoticed(path: Path, read: Callable[[], object], flips: int = 60) -> list[int]:
    """The places at which another byte is read without an AssayError, of `flips` places at random; the file is put back."""
    content, draws, passed = path.read_bytes(), random.Random(0), []
    for _ in range(flips):
        damaged = bytearray(content)
        place = draws.randrange(len(damaged))
        damaged[place] ^= draws.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            read()
        except AssayError:
            continue
        passed.append(place)
    path.write_bytes(content)
    return passed
