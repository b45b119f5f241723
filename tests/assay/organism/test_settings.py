from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from assay.errors import AssayError
from assay.storage.settings import parse_settings


@dataclass(frozen=True)
class Inner:
    size: int
    rate: float


@dataclass(frozen=True)
class Outer:
    inner: Inner
    shares: Mapping[str, float]
    mode: Literal["a", "b"]


GOOD = {"inner": {"size": 3, "rate": 1}, "shares": {"x": 0.5, "y": 2}, "mode": "a"}


def test_a_mapping_becomes_settings_and_whole_numbers_may_stand_for_fractions():
    assert parse_settings(Outer, GOOD, "top") == Outer(Inner(3, 1.0), {"x": 0.5, "y": 2.0}, "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "top: unknown extra"),
        ({"inner": {"size": 3}}, "top.inner: missing rate"),
        ({"inner": {"size": 3.5, "rate": 1}}, "top.inner.size: expected int, found 3.5"),
        ({"inner": {"size": True, "rate": 1}}, "top.inner.size: expected int, found True"),
        ({"inner": {"size": 3, "rate": "fast"}}, "top.inner.rate: expected float, found 'fast'"),
        ({"inner": 3}, "top.inner: expected a mapping"),
        ({"shares": {"x": "much"}}, "top.shares.x: expected float"),
        ({"mode": "c"}, "top.mode: 'c' is not one of a, b"),
    ],
)
def test_bad_settings_name_their_place(changes, message):
    with pytest.raises(AssayError, match=message):
        parse_settings(Outer, GOOD | changes, "top")
