import pytest

from assay.errors import AssayError
from assay.models.same_model import require_same_model


def test_only_the_fingerprint_counts() -> None:
    require_same_model("f", "a" * 64, "a" * 64, found_alias="x", wanted_alias="y")
    with pytest.raises(AssayError) as caught:
        require_same_model("f", "a" * 64, "b" * 64, found_alias="x")
    assert str(caught.value) == (
        "f was made with another model (x, pin aaaaaaaaaaaa) than this one (pin bbbbbbbbbbbb); give that model, or "
        "make it again with this one"
    )
