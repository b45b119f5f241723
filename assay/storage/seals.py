"""A digest that a file carries in itself, so that a byte that changed on a disk or on the way is noticed.

The writer leaves BLANK at one place of the content, and `sealed` puts the SHA-256 of that content there. Files without a
digest are read as well: those of earlier versions and of other programs have none.
"""

import hashlib
import mmap
import re
from pathlib import Path

from assay.errors import AssayError

_MARK = b"assay:sha256:"
BLANK = _MARK.decode() + "0" * 64
"""What stands in a file's content, once, where its digest is to be."""
_SEAL = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})")


def sealed(content: bytes) -> bytes:
    """The content with its digest in the place of BLANK."""
    assert content.count(BLANK.encode()) == 1, "a content has one place for its digest"
    return content.replace(BLANK.encode(), _MARK + hashlib.sha256(content).hexdigest().encode())


def is_seal(value: object) -> bool:
    """Whether a value of a file's metadata is a digest of `sealed`."""
    return isinstance(value, str) and _SEAL.fullmatch(value.encode()) is not None


def check_seal(path: Path) -> None:
    """Raise AssayError where a file carries a digest and its bytes are others. Raises OSError where it cannot be read."""
    with open(path, "rb") as handle:
        if not handle.seek(0, 2):
            return
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.find(_MARK)
            if start < 0:
                return
            found = _SEAL.match(content, start)
            if found is None or found[1].decode() != _digest(content, *found.span()):
                raise AssayError(
                    f"{path} is damaged: its bytes are not those that were written; make it again or copy it again"
                )


def _digest(content: mmap.mmap, start: int, end: int) -> str:
    """SHA-256 of a content in which BLANK stands at [start, end)."""
    digest = hashlib.sha256()
    with memoryview(content) as view:
        for part in (view[:start], BLANK.encode(), view[end:]):
            digest.update(part)
            if isinstance(part, memoryview):
                part.release()
    return digest.hexdigest()
