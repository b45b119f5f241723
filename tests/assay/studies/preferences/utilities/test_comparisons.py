from collections import Counter

import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.preferences.utilities.comparisons import Comparisons


def test_choices_are_counted_by_ordered_pair():
    rng = np.random.default_rng(0)
    first, shift, choice = rng.integers(0, 6, 500), rng.integers(1, 6, 500), rng.integers(0, 3, 500)
    second = (first + shift) % 6
    found = Comparisons.from_choices("abcdef", first, second, choice)
    expected = Counter(zip(first.tolist(), second.tolist(), choice.tolist(), strict=True))
    counts = np.stack([found.first_wins, found.second_wins, found.refusals], axis=1)
    for row, pair in enumerate(zip(found.first.tolist(), found.second.tolist(), strict=True)):
        assert counts[row].tolist() == [expected[(*pair, c)] for c in range(3)]
    assert found.answers.sum() == 500
    seen = list(dict.fromkeys(zip(first.tolist(), second.tolist(), strict=True)))
    assert seen == list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_another_order_of_tasks_changes_numbers_only():
    found = Comparisons([0, 1], [1, 2], [3, 0], [1, 2], [0, 0], ids=("x", "y", "z"))
    other = found.reordered(["z", "w", "x", "y"])
    pairs = [(other.ids[a], other.ids[b]) for a, b in zip(other.first, other.second, strict=True)]
    assert pairs == [("x", "y"), ("y", "z")]
    assert other.first_wins.tolist() == [3, 0]
    with pytest.raises(AssayError, match="not in the given order of tasks \\(first: 'y'"):
        found.reordered(["x", "z"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0], [0], [1], [1], [0]), "compared with itself"),
        (([0], [1], [-1], [1], [0]), "negative"),
        (([0, 1], [1], [1], [1], [0]), "one length"),
        (([0], [1], [0.5], [1], [0]), "integers"),
        (([0], [7], [1], [1], [0]), "beyond the 3 ids"),
    ],
)
def test_impossible_counts_are_refused(columns, message):
    with pytest.raises(AssayError, match=message):
        Comparisons(*columns, ids=("x", "y", "z"))


def test_ids_are_unique():
    with pytest.raises(AssayError, match="repeat"):
        Comparisons([0], [1], [1], [1], [0], ids=("x", "x"))
