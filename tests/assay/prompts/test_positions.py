import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.prompts.positions import Layout, parse_position, select

LAYOUT = Layout(
    n_tokens=10, prompt_length=6, spans={"city": np.array([2, 3])}, turn_end=np.array([4]), explicit=(9, 0)
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("prompt[-1]", [5]),
        ("prompt[0]", [0]),
        ("prompt[:]", [0, 1, 2, 3, 4, 5]),
        ("prompt[1:3]", [1, 2]),
        ("prompt[-2:]", [4, 5]),
        ("response[:]", [6, 7, 8, 9]),
        ("response[:5]", [6, 7, 8, 9]),
        ("response[:2]", [6, 7]),
        ("response[-1]", [9]),
        ("all", list(range(10))),
        ("span:city", [2, 3]),
        ("turn_end", [4]),
        ("explicit", [9, 0]),
    ],
)
def test_vocabulary(expression, expected):
    indices = select(parse_position(expression), LAYOUT)
    assert indices.dtype == np.int64
    assert indices.tolist() == expected


bounds = st.none() | st.integers(-12, 12)


@given(st.sampled_from(["prompt", "response"]), bounds, bounds)
def test_slices_are_pythons(part, start, stop):
    tokens = list(range(6)) if part == "prompt" else list(range(6, 10))
    expression = f"{part}[{'' if start is None else start}:{'' if stop is None else stop}]"
    expected = tokens[start:stop]
    if expected:
        assert select(parse_position(expression), LAYOUT).tolist() == expected
    else:
        with pytest.raises(AssayError, match="selects no token"):
            select(parse_position(expression), LAYOUT)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "prompt",
        "prompt[]",
        "prompt[::2]",
        "prompt[a]",
        "respond[:]",
        "span:",
        "last",
        "prompt[1:2:3]",
        "all[:]",
    ],
)
def test_unknown_expressions_list_the_grammar(expression):
    with pytest.raises(
        AssayError,
        match=r"unknown position .*; write prompt\[-1\], prompt\[:\].*span:<name>, turn_end or explicit",
    ):
        parse_position(expression)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("prompt[6]", "its prompt has 6 tokens"),
        ("response[4]", "its response has 4 tokens"),
        ("response[9:]", "its response has 4 tokens"),
        ("span:town", r"no span 'town' \(its spans: city\)"),
    ],
)
def test_empty_selections_say_why(expression, reason):
    with pytest.raises(AssayError, match=reason):
        select(parse_position(expression), LAYOUT)
