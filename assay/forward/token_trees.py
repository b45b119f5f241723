"""Token sequences that begin alike, in one row of a batch: what they share is written, and computed, once.

A row is a tree. A token follows its parent, sees its ancestors alone and stands at the position that it has in its
sequence, so its hidden state is that of the sequence by itself (up to float rounding).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from assay.forward.branches import Prefix
from assay.forward.masks import seen_mask
from assay.forward.suffix import Suffix
from assay.models.architecture import Architecture

ROW_TOKENS = 256  # of a row: sharing grows with it, and so does what attention computes for nothing


@dataclass(frozen=True)
class TokenTree:
    """Sequences that share a row.

    Attributes:
        ids: [n] int64, parents before children.
        positions: [n] int64, a token's place in its sequences.
        seen: [n, n] bool, [i, j]: j is i or an ancestor of i.
        paths: per sequence the places [length] of its tokens in the row.
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    seen: NDArray[np.bool_]
    paths: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, sequences: Sequence[Prefix]) -> "TokenTree":
        """Each sequence branches off the one before it, so sorted ones share most."""
        ids: list[int] = []
        positions: list[int] = []
        paths: list[list[int]] = []
        before: Prefix = ()
        for sequence in sequences:
            shared = _common_length(before, sequence)
            added = range(len(ids), len(ids) + len(sequence) - shared)
            paths.append([*(paths[-1][:shared] if paths else []), *added])
            ids += sequence[shared:]
            positions += range(shared, len(sequence))
            before = sequence
        seen = np.zeros((len(ids), len(ids)), dtype=bool)
        for path in paths:
            seen[np.ix_(path, path)] = np.tri(len(path), dtype=bool)
        return cls(np.array(ids), np.array(positions), seen, [np.array(path) for path in paths])


def plan_rows(groups: Sequence[Sequence[Prefix]], limit: int = ROW_TOKENS) -> Iterator[tuple[list[int], int]]:
    """Yield (indices into `groups`, tokens) of the rows: groups that share most, at most `limit` tokens of them.

    All sequences of a group go into one row; a group that is larger has a row of its own. Groups are in the order of their
    tokens, so what is left of a plan from some row on is planned as it was.
    """
    row: list[int] = []
    tokens = 0
    before: Prefix = ()
    for index in sorted(range(len(groups)), key=lambda i: tuple(groups[i])):
        added = _tokens_behind(before, groups[index])
        if row and tokens + added > limit:
            yield row, tokens
            row, tokens, added = [], 0, _tokens_behind((), groups[index])
        row.append(index)
        tokens += added
        before = groups[index][-1]
    if row:
        yield row, tokens


def _tokens_behind(before: Prefix, group: Sequence[Prefix]) -> int:
    """How many tokens a row that ends with the sequence `before` grows by."""
    total = 0
    for sequence in group:
        total += len(sequence) - _common_length(before, sequence)
        before = sequence
    return total


def _common_length(first: Prefix, second: Prefix) -> int:
    length = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        length += 1
    return length


@torch.inference_mode()
def tree_logits(
    architecture: Architecture, trees: Sequence[TokenTree], wanted: Sequence[NDArray[np.int64]]
) -> list[torch.Tensor]:
    """Logits [m, vocab] float32, on the CPU, of the token after each of the `wanted` places [m] of every tree: one pass."""
    suffix = Suffix(architecture, architecture.n_layers)
    width = max(len(tree.ids) for tree in trees)
    ids, positions = np.zeros((2, len(trees), width), dtype=np.int64)
    seen = np.zeros((len(trees), width, width), dtype=bool)
    for row, tree in enumerate(trees):
        n = len(tree.ids)
        ids[row, :n], positions[row, :n], seen[row, :n, :n] = tree.ids, tree.positions, tree.seen
    on_device = [torch.from_numpy(array).to(suffix.device) for array in (ids, positions, seen)]
    hidden = architecture.stack(
        input_ids=on_device[0],
        attention_mask=seen_mask(suffix.text_config, on_device[2], on_device[1], on_device[1], suffix.dtype),
        position_ids=on_device[1],
        use_cache=False,
    ).last_hidden_state
    counts = [len(places) for places in wanted]
    rows = torch.from_numpy(np.repeat(np.arange(len(trees)), counts)).to(hidden.device)
    columns = torch.from_numpy(np.concatenate(wanted)).to(hidden.device)
    return list(torch.split(suffix.logits(hidden[rows, columns]).float().cpu(), counts))
