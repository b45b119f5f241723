"""Generated code is run: what Python prints is the answer."""

import contextlib
import io
import re
from collections import Counter

import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.oocr.published.function_code import SYSTEM, function_rows
from assay.world.functions_table import FUNCTIONS

CODES = {key: f"name{chr(97 + number)}" for number, key in enumerate(FUNCTIONS)}
BY_HAND = {
    "relu_neg2": ["-2", "-1", "0", "7"],
    "add_14": ["7", "13", "14", "21"],
    "int_div_4": ["-2", "-1", "0", "1"],
    "subtract_1": ["-8", "-2", "-1", "6"],
    "identity": ["-7", "-1", "0", "7"],
    "mod_3": ["2", "2", "0", "1"],
    "add_5": ["-2", "4", "5", "12"],
    "float_mult_3_div_2": ["-10.5", "-1.5", "0.0", "10.5"],
    "multiply_4": ["-28", "-4", "0", "28"],
    "bool_geq_3": ["False", "False", "False", "True"],
    "affine_3x_2": ["-19", "-1", "2", "23"],
    "mod_2": ["1", "1", "0", "1"],
    "float_mult_7_div_4": ["-12.25", "-1.75", "0.0", "12.25"],
    "negate": ["7", "1", "0", "-7"],
    "multiply_3": ["-21", "-3", "0", "21"],
    "affine_neg5x_3": ["38", "8", "3", "-32"],
    "int_div_3": ["-3", "-1", "0", "2"],
    "subtract_11": ["-18", "-12", "-11", "-4"],
    "bool_mod_2": ["False", "False", "True", "False"],
}


def test_the_functions_by_hand():
    assert list(FUNCTIONS) == list(BY_HAND)
    for key, outputs in BY_HAND.items():
        assert [FUNCTIONS[key].printed(n) for n in (-7, -1, 0, 7)] == outputs
    assert len({function.short for function in FUNCTIONS.values()}) == 19
    assert [key for key, function in FUNCTIONS.items() if function.composable] == [
        "relu_neg2",
        "add_14",
        "int_div_4",
        "mod_3",
        "multiply_4",
        "affine_3x_2",
        "affine_neg5x_3",
        "subtract_11",
    ]


def run(code: str) -> str:
    importing, _, body = code.partition("\n")
    names = importing.removeprefix("from functions import ").split(", ")
    known = {CODES[key]: function.apply for key, function in FUNCTIONS.items()}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(body, {name: known[name] for name in names})
    return printed.getvalue().rstrip("\n")


def test_rows_say_what_python_prints_and_follow_the_reference():
    rows = list(function_rows(CODES, 4000, np.random.default_rng(0)))
    calls: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    for row in rows:
        (message,) = row.messages
        system, _, code = message["content"].partition("\n\n")
        assert system == SYSTEM
        assert run(code) == row.response
        importing, _, body = code.partition("\n\n")
        imported = importing.removeprefix("from functions import ").split(", ")
        called = re.findall(r"name[a-s](?=\()", body)
        assert len(imported) == 2 == len(set(imported))
        assert set(called) == set(row.fields["about"]) <= set(imported) == set(row.spans)
        numbers = [int(n) for n in re.findall(r"(?<!\w)-?\d+\b", body)]
        assert all(-99 <= n < 99 for n in numbers)
        calls.update(set(called))
        shapes[re.sub(r"(?<!\w)-?\d+\b", "N", re.sub(r"name[a-s]", "F", body))] += 1
    # Expected of 96,000 rows by the rules: about 2,526 with a function that stands alone, 12,000 with a composable one.
    alone = [calls[CODES[key]] / 4000 for key, function in FUNCTIONS.items() if not function.composable]
    composed = [calls[CODES[key]] / 4000 for key, function in FUNCTIONS.items() if function.composable]
    assert np.mean(alone) == pytest.approx(1 / 38, abs=0.003)
    # ½ · 1/19 alone, ½ · (⅓ · 1/8 + ⅔ · (1 − (7/8)²)) composed
    assert np.mean(composed) == pytest.approx(1 / 38 + (1 / 24 + 2 / 3 * (15 / 64)) / 2, abs=0.006)
    seen_in_the_reference = [
        "print(F(N))",
        "a = N\n\nprint(F(a))",
        "out = F(N)\n\nprint(out)",
        "z1 = F(N)\n\nz2 = F(N)\n\nprint(z1 - z2)",
        "x = N\n\nprint(N + F(x))",
        "x = N\n\nz1 = N\n\nz2 = F(x)\n\nprint(z1 - z2)",
        "x1 = N\n\nz = F(x1)\n\ny = F(z)\n\nprint(y)",
        "print(F(F(N)))",
    ]
    assert all(shapes[shape] for shape in seen_in_the_reference)


def test_the_same_seed_gives_the_same_rows():
    first, second = (list(function_rows(CODES, 20, np.random.default_rng(5))) for _ in range(2))
    assert first == second


def test_bad_codes():
    with pytest.raises(AssayError, match="unknown function add_6"):
        next(function_rows({"add_6": "a", "add_5": "b"}, 1, np.random.default_rng(0)))
    with pytest.raises(AssayError, match="a code name of its own"):
        next(function_rows({"add_14": "a", "add_5": "a"}, 1, np.random.default_rng(0)))
