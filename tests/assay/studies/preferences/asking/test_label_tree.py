"""Against the slow obvious version: every answer of a few tokens, enumerated."""

from itertools import product

import numpy as np
import pytest

from assay.studies.preferences.asking.label_tree import LabelTree

VOCABULARY, DEPTH = 4, 3


def law(seed: int) -> dict[tuple[int, ...], np.ndarray]:
    """Probabilities of the next token after every answer of fewer than DEPTH tokens."""
    rng = np.random.default_rng(seed)
    prefixes = [p for length in range(DEPTH) for p in product(range(VOCABULARY), repeat=length)]
    return {prefix: rng.dirichlet(np.ones(VOCABULARY)) for prefix in prefixes}


def answers(following) -> dict[tuple[int, ...], float]:
    """The probability of every answer of DEPTH tokens."""
    return {
        answer: float(np.prod([following[answer[:i]][answer[i]] for i in range(DEPTH)]))
        for answer in product(range(VOCABULARY), repeat=DEPTH)
    }


@pytest.mark.parametrize("labels", [((0, 1), (0, 2)), ((0,), (1,)), ((0, 1, 2), (0, 3)), ((1, 1), (2, 2))])
def test_probabilities_are_sums_over_answers(labels):
    following = law(0)
    expected = [
        sum(p for answer, p in answers(following).items() if answer[: len(label)] == label)
        for label in labels
    ]
    assert LabelTree(labels).probabilities(following.__getitem__) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [((0, 1), (0, 2)), ((0, 1, 2), (0, 3)), ((1, 1), (2, 2))])
def test_other_answers_are_drawn_by_their_conditional_law(labels):
    following, tree, draws = law(1), LabelTree(labels), np.random.default_rng(0)
    n = 20_000
    drawn = [tree.draw_other(following.__getitem__, draws) for _ in range(n)]
    others = {
        answer: p
        for answer, p in answers(following).items()
        if not any(answer[: len(label)] == label for label in labels)
    }
    for prefix in set(drawn):
        assert all(label[: len(prefix)] != prefix for label in labels)
        share = sum(p for answer, p in others.items() if answer[: len(prefix)] == prefix)
        expected = share / sum(others.values())
        found = sum(one == prefix for one in drawn) / n
        assert found == pytest.approx(expected, abs=4 * (expected * (1 - expected) / n) ** 0.5)


def test_branches_hold_every_prefix_once():
    assert LabelTree(((0, 1), (0, 2))).branches == [(0,)]
    assert LabelTree(((0, 1, 2), (3, 1))).branches == [(0, 1), (3,)]
    assert LabelTree(((0,), (1,))).branches == [()]
