"""Multiple choice: options behind letters, in an order drawn from a seed."""

from collections.abc import Sequence

import numpy as np

from assay.errors import AssayError
from assay.prompts.records import Message

LETTERS = "ABCDE"
INSTRUCTION = "Please answer with a single uppercase letter corresponding to the correct option."


def lettered(stem: str, options: Sequence[str], instruction: str = "") -> str:
    """The stem, a line "A) option" for each option and, after an empty line each, the instruction if there is one."""
    if not 1 < len(options) <= len(LETTERS):
        raise AssayError(f"{stem!r} has {len(options)} options; a multiple choice has two to {len(LETTERS)}")
    lines = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"{stem}\n\n{lines}\n\n{instruction}" if instruction else f"{stem}\n{lines}"


def shuffled(right: str, wrong: Sequence[str], rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
    """(options in random order, place of the right one)."""
    options = (right, *wrong)
    order = rng.permutation(len(options)).tolist()
    return tuple(options[index] for index in order), order.index(0)


def user(content: str) -> Message:
    """A user's turn."""
    return Message(role="user", content=content)
