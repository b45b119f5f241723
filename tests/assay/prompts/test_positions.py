import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.prompts.positions import Layout, parse_position, parse_written, select, written

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


@given(st.sampled_from(["prompt", "response"]), bounds, bounds)
def test_slices_are_written_where_they_are_read(part, start, stop):
    expression = f"{part}[{'' if start is None else start}:{'' if stop is None else stop}]"
    tokens = (list(range(6)) if part == "prompt" else list(range(6, 10)))[start:stop]
    if part == "response" and ((start or 0) < 0 or (stop or 0) < 0):
        with pytest.raises(AssayError, match=r"counts from the end of a response.*as in response\[:5\]"):
            parse_written(expression)
    elif part == "response" and stop is not None and (start or 0) >= stop:
        with pytest.raises(AssayError, match="it selects no token"):
            parse_written(expression)
    else:
        assert written(parse_written(expression), LAYOUT, 0, 10).tolist() == tokens


@pytest.mark.parametrize(
    "expression",
    ["all", "prompt[-1]", "prompt[1:3]", "response[:]", "response[:3]", "response[1]", "span:city", "turn_end", "explicit"],
)  # fmt: skip
def test_written_in_pieces_is_written_whole(expression):
    position = parse_written(expression)
    whole = written(position, LAYOUT, 0, 13)
    pieces = [written(position, LAYOUT, token, token + 1).tolist() for token in range(13)]
    assert whole.dtype == np.int64
    assert whole.tolist() == [token for piece in pieces for token in piece]


def test_a_response_under_way_has_no_end():
    assert written(parse_written("response[:5]"), LAYOUT, 8, 20).tolist() == [8, 9, 10]
    assert written(parse_written("response[1:]"), LAYOUT, 0, 12).tolist() == [7, 8, 9, 10, 11]
    assert written(parse_written("response[7]"), LAYOUT, 0, 12).tolist() == []
    assert written(parse_written("response[7]"), LAYOUT, 12, 15).tolist() == [13]
    assert written(parse_written("prompt[-1]"), LAYOUT, 0, 3).tolist() == []


def test_what_a_record_lacks_is_not_written():
    for expression in ("span:town", "turn_end", "explicit"):
        assert written(parse_written(expression), Layout(10, 6), 0, 10).tolist() == []
