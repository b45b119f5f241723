"""Bounds of the numbers on command lines: what is out of them is refused before any work, an endless count with the reason."""

import math
from collections.abc import Callable
from typing import TypeVar

import typer

MOST_SEED = 2**32 - 1
"""The largest seed that NumPy, scikit-learn and PyTorch all take."""


def at_most(limit: int, reason: str) -> Callable[[int | None], int | None]:
    """A callback of an option that takes no more than `limit`; `reason` ends the sentence that says so."""

    def check(value: int | None) -> int | None:
        if value is not None and value > limit:
            raise typer.BadParameter(f"{value} is more than {limit:,}, {reason}")
        return value

    return check


Given = TypeVar("Given", float, list[float], None)


def between(low: float, high: float, what: str, *, open: bool = False) -> Callable[[Given], Given]:
    """A callback of an option that takes numbers from `low` to `high`, without these two where `open`; `what` says what they are.

    No number (NaN) is none of them.
    """
    ends = f"between {low:g} and {high:g}" if open else f"from {low:g} to {high:g}"

    def check(value: Given) -> Given:
        given: list[float] = value if isinstance(value, list) else [] if value is None else [value]
        for one in given:
            if not (low < one < high if open else low <= one <= high):
                raise typer.BadParameter(f"{one:g} is no {what}, which is a number {ends}")
        return value

    return check


COLDEST = 1e-3


def temperature(value: float) -> float:
    """Zero takes the most probable token; just above it logits would be divided by nothing."""
    if not (value == 0 or COLDEST <= value <= 100):
        raise typer.BadParameter(
            f"{value:g} is no temperature, which is 0 or a number from {COLDEST:g} to 100"
        )
    return value


share = between(0, 1, "share", open=True)
seconds = between(0, 86_400, "number of seconds", open=True)
rate = between(0, 1000, "learning rate", open=True)
penalty = between(0, 1e12, "penalty")
correlation = between(-1, 1, "correlation")
quantile = between(math.ulp(0), 1, "quantile")
choices = between(0, 1000, "number of choices to add")
weight = between(1, 1e6, "weight of a row")

resamples = at_most(100_000, "the most whose intervals still get sharper in a reasonable time")
shuffles = at_most(10_000, "each of which fits a probe for every layer")
repeats = at_most(10_000, "each of which asks every question again")
rows = at_most(10_000_000, "which are all held in memory")
tokens = at_most(2**24, "more than any device holds in one pass")
epochs = at_most(100_000, "each of which trains on every row")
requests = at_most(1000, "each of which keeps a connection open")
controls = at_most(10_000, "each of which is asked every question")
iterations = at_most(100_000, "each of which asks a batch of questions")
answer = at_most(1_000_000, "longer than any answer")
rank = at_most(65_536, "more than any weight matrix has")
steps = at_most(10**9, "more than years of training")
