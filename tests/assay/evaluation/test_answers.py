"""What follows from candidate log-probabilities, by hand."""

import math

import pytest
from support.oocr.toy_study import items

from assay.evaluation.answers import Answer


def answer(*logps: float, place: int = 0) -> Answer:
    return Answer(items()[place], logps)


def test_margin_probability_and_choice() -> None:
    got = answer(math.log(0.2), math.log(0.1), math.log(0.1))
    assert got.margin == pytest.approx(math.log(2))
    assert got.p_right == pytest.approx(0.5)
    assert (got.is_right, got.chosen) == (True, "yes")
    wrong = answer(-1.0, -3.0, place=1)  # the second is right
    assert (wrong.margin, wrong.is_right, wrong.chosen) == (-2.0, False, "A")


def test_a_tie_is_not_right() -> None:
    assert not answer(-1.0, -1.0, -2.0).is_right


def test_tiny_probabilities_do_not_vanish() -> None:
    assert answer(-2000.0, -2001.0, -2002.0).p_right == pytest.approx(1 / (1 + math.exp(-1) + math.exp(-2)))
