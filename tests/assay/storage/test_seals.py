"""A file that carries its digest is read as it was written or not at all; one without is read."""

import hashlib

import pytest
from support.damage import unnoticed

from assay.errors import AssayError
from assay.storage.seals import BLANK, check_seal, is_seal, sealed


def test_the_digest_is_that_of_the_content_with_a_blank_for_it(tmp_path):
    content = b"before " + BLANK.encode() + b" after"
    (tmp_path / "f").write_bytes(sealed(content))
    digest = hashlib.sha256(content).hexdigest()
    assert (tmp_path / "f").read_bytes() == f"before assay:sha256:{digest} after".encode()
    check_seal(tmp_path / "f")
    assert is_seal(f"assay:sha256:{digest}")
    assert not any(map(is_seal, (digest, "assay:sha256:", 7, None)))


def test_another_byte_anywhere_is_damage(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(sealed(bytes(300) + BLANK.encode() + b"rest"))
    inside = unnoticed(path, lambda: check_seal(path), flips=1000)
    assert all(
        300 <= place < 313 for place in inside
    )  # the mark itself: whoever reads the format looks for it
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(
        AssayError, match="f is damaged: its bytes are not those that were written; make it again"
    ):
        check_seal(path)


@pytest.mark.parametrize("content", [b"", b"nothing of it", b"sha256:" + b"0" * 64])
def test_a_file_without_a_digest_is_taken_as_it_is(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    check_seal(tmp_path / "f")
