"""Answers that begin alike: the fewest token sequences whose next-token logits hold the probability of every answer."""

from collections.abc import Sequence

Prefix = tuple[int, ...]


def proper_prefixes(answers: Sequence[Prefix]) -> list[Prefix]:
    """The beginnings of answers (token ids) after which the next token matters, without repeats."""
    return list(dict.fromkeys(answer[:end] for answer in answers for end in range(len(answer))))


def branches(answers: Sequence[Prefix]) -> list[Prefix]:
    """The prefixes that begin no other one: a forward pass over each holds all answers. Of single tokens: the empty one."""
    prefixes = proper_prefixes(answers)
    begun = {longer[:end] for longer in prefixes for end in range(len(longer))}
    return [prefix for prefix in prefixes if prefix not in begun]
