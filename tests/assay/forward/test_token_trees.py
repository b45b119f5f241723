import numpy as np
import pytest
import torch
from support.toy_models import FAMILIES, build

from assay.forward.batching import consecutive_batches
from assay.forward.token_trees import TokenTree, plan_rows, tree_logits
from assay.models.architecture import locate


def random_groups(n, seed=0):
    """Prompts over few tokens, so that many begin alike, each followed by two answers."""
    rng = np.random.default_rng(seed)
    prompts = [tuple(rng.integers(3, 6, size=rng.integers(4, 12)).tolist()) for _ in range(n)]
    return [[(*prompt, 7), (*prompt, 8, 9)] for prompt in prompts]


def distinct_beginnings(sequences):
    return len({sequence[:end] for sequence in sequences for end in range(1, len(sequence) + 1)})


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_in_a_tree_are_those_of_each_sequence_alone(family):
    model = build(family)
    groups = random_groups(12)
    rows = [row for row, _ in plan_rows(groups, 40)]
    assert len(rows) > 1
    trees = [TokenTree.of([sequence for i in row for sequence in groups[i]]) for row in rows]
    found = tree_logits(locate(model), trees, [np.concatenate(tree.paths) for tree in trees])
    for row, logits in zip(rows, found, strict=True):
        sequences = [sequence for i in row for sequence in groups[i]]
        parts = logits.split([len(sequence) for sequence in sequences])
        for sequence, part in zip(sequences, parts, strict=True):
            with torch.no_grad():
                alone = model(torch.tensor([sequence])).logits[0]
            torch.testing.assert_close(part, alone, rtol=1e-4, atol=1e-4)


def test_sorted_sequences_share_all_they_can():
    sequences = sorted(sequence for group in random_groups(30) for sequence in group)
    tree = TokenTree.of(sequences)
    assert len(tree.ids) == distinct_beginnings(sequences)
    for sequence, path in zip(sequences, tree.paths, strict=True):
        assert tuple(tree.ids[path]) == sequence
        assert tree.positions[path].tolist() == list(range(len(sequence)))
        assert np.flatnonzero(tree.seen[path[-1]]).tolist() == sorted(path)


def test_rows_hold_every_group_once_and_as_many_tokens_as_they_say():
    groups = random_groups(60)
    plan = list(plan_rows(groups, 50))
    assert sorted(i for row, _ in plan for i in row) == list(range(60))
    for row, tokens in plan:
        assert tokens <= 50
        assert tokens == len(TokenTree.of([sequence for i in row for sequence in groups[i]]).ids)
    assert sum(tokens for _, tokens in plan) < 0.7 * sum(len(s) for group in groups for s in group)
    assert [len(row) for row, _ in plan_rows(groups, 1)] == [1] * 60  # larger than a row: alone


def test_the_rest_of_a_plan_is_planned_as_it_was():
    groups = random_groups(60)
    plan = list(plan_rows(groups, 50))
    batches = consecutive_batches([tokens for _, tokens in plan], 120)
    assert [i for batch in batches for i in batch] == list(range(len(plan)))
    for done in (1, len(batches) // 2):
        rows = [plan[i][0] for batch in batches[done:] for i in batch]
        left = sorted(i for row in rows for i in row)
        again = list(plan_rows([groups[i] for i in left], 50))
        assert [[left[i] for i in row] for row, _ in again] == rows
        sizes = [len(batch) for batch in consecutive_batches([tokens for _, tokens in again], 120)]
        assert sizes == [len(batch) for batch in batches[done:]]


def test_consecutive_batches_stay_within_the_budget():
    lengths = [5, 9, 3, 30, 4, 4, 4]
    batches = consecutive_batches(lengths, 20)
    assert batches == [[0, 1], [2], [3], [4, 5, 6]]
