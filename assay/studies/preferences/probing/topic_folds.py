"""Which topics are held out together, as a command line says it: so many, or these."""

from collections.abc import Sequence

import numpy as np

from assay.arrays import Ints
from assay.errors import AssayError
from assay.probes.held_out_groups import Groups
from assay.studies.preferences.utilities.topics import Topics

SMALLEST = 2
"""Tasks that a fold needs to have a correlation."""


def parse_hold_out(words: Sequence[str], topics: Topics, codes: Ints) -> tuple[int, list[Groups] | None]:
    """(how many topics are left out together, None), or (1, the sets of topic numbers) where `words` name topics (a,b).

    `codes` [n] are the topic numbers of the tasks. Raises AssayError for several numbers, a topic that no task has, one named twice in a
    set, and sets of fewer than SMALLEST tasks.
    """
    if any(word.strip().isdecimal() and word.strip() not in topics.names for word in words):
        if len(words) > 1 or not 1 <= len(words[0].strip()) <= 6 or int(words[0]) < 1:
            raise AssayError(
                f"--hold-out takes one number from 1, or names of topics, found {', '.join(words)[:60]}"
            )
        return int(words[0]), None
    return 1, [_numbers(word, topics, codes) for word in words]


def _numbers(word: str, topics: Topics, codes: Ints) -> Groups:
    """The topic numbers of one fold, ascending."""
    names = [word] if word in topics.names else [name.strip() for name in word.split(",")]
    for name in names:
        if name not in topics.names:
            raise AssayError(
                f"--hold-out {word}: no task has the topic {name!r}; there are {', '.join(topics.names)}"
            )
    numbers = tuple(sorted({topics.names.index(name) for name in names}))
    if len(numbers) < len(names):
        raise AssayError(f"--hold-out {word} names a topic twice")
    if np.isin(codes, numbers).sum() < SMALLEST:
        raise AssayError(
            f"--hold-out {word}: fewer than {SMALLEST} tasks of these topics have a utility and a text"
        )
    return numbers
