"""Rows that continue prefixes: each is the tail of an example, changed in its own way where it enters the suffix."""

from collections.abc import Callable, Sequence

import torch

from assay.forward.prefixes import Past, Prefixes, on_device, tail_tokens
from assay.forward.suffix import Suffix, Tokens

Enter = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
"""(hidden states [rows, n, d_model] at the entry, first token of each row) → those that go in."""


def run_tails(
    suffix: Suffix, prefixes: Prefixes, indices: Sequence[int], enter: Enter
) -> tuple[torch.Tensor, list[int]]:
    """Normed hidden states [rows, n, d_model] of the tails of some examples, and the first token (cut) of each row.

    `indices` says which example each row is; one may come several times. Tails are padded on the right.
    """
    unique = sorted(set(indices))
    place = {index: i for i, index in enumerate(unique)}
    which = torch.tensor([place[index] for index in indices])
    found = prefixes.get(unique)
    cuts = [found[place[index]].cut for index in indices]
    tails = torch.nn.utils.rnn.pad_sequence([prefix.tail for prefix in found], batch_first=True)
    tokens = tail_tokens(found, [prefixes.examples[index] for index in unique], suffix.device)
    tokens = _take(tokens, which.to(suffix.device))
    keys = Past(found, which.to(found[0].past.device), suffix.start) if max(cuts) else None
    past = None if keys is None else on_device(keys.tokens(), suffix.device)
    hidden = enter(tails[which.to(tails.device)], cuts)
    with suffix.open() as run:
        return run(hidden, tokens, past, keys), cuts


def _take(tokens: Tokens, rows: torch.Tensor) -> Tokens:
    return Tokens(tokens.ids[rows], tokens.positions[rows], tokens.valid[rows])
