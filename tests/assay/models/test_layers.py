import pytest

from assay.errors import AssayError
from assay.models.layers import resolve_layer, resolve_layers


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (0, 0),
        (25, 25),
        (-1, 25),
        (-26, 0),
        (0.5, 13),
        (0.25, 6),
        (0.99, 25),
        (0.01, 0),
        ("7", 7),
        ("-2", 24),
        ("0.5", 13),
        ("5.0", 5),
    ],
)
def test_one_layer(spec, expected):
    assert resolve_layer(spec, 26) == expected


def test_fractions_of_gemma_3_27b():
    """reference/preferences.md §3: 62 layers, [.25, .5, .6, .7, .8, .9] → 15, 31, 37, 43, 49, 55."""
    assert resolve_layers([0.25, 0.5, 0.6, 0.7, 0.8, 0.9], 62) == [15, 31, 37, 43, 49, 55]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("all", [0, 1, 2, 3]),
        ("0,-1, 0.5", [0, 2, 3]),
        ([3, -1, 3], [3]),
        (2, [2]),
        (0.5, [2]),
        ((1, 0), [0, 1]),
    ],
)
def test_several_layers_are_sorted_and_distinct(spec, expected):
    assert resolve_layers(spec, 4) == expected


@pytest.mark.parametrize("spec", [26, -27, "26", 1000])
def test_out_of_range(spec):
    with pytest.raises(AssayError, match=rf"layer {spec} of 26: the model has blocks 0 to 25 \(or -26 to -1"):
        resolve_layer(spec, 26)


@pytest.mark.parametrize("spec", ["first", True, None, "1,2", "", [1], float("nan"), 1.5, -0.5, 0.0, "inf"])
def test_not_a_layer(spec):
    with pytest.raises(AssayError, match="layer"):
        resolve_layer(spec, 26)


@pytest.mark.parametrize("spec", ["", " , ", []])
def test_no_layer(spec):
    with pytest.raises(AssayError, match="no layer given"):
        resolve_layers(spec, 26)
