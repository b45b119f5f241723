"""Bounds of the numbers on command lines: what is out of them is refused before any work, an endless count with the reason."""

from collections.abc import Callable

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
