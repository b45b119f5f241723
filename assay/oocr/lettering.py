"""Multiple choice: options behind letters, in an order drawn from a seed."""

from collections.abc import Sequence

import numpy as np

from assay.errors import AssayError
from assay.oocr.items import Item
from assay.records import Message, PromptRecord
from assay.world.examples import LETTERS

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


def lettered_item(
    record_id: str,
    stem: str,
    options: Sequence[str],
    right: int,
    *,
    instruction: str = "",
    group: str | None = None,
    category: str = "",
    cluster: str = "",
) -> Item:
    """The item that asks for the letter of option number `right`."""
    prompt = lettered(stem, options, instruction)
    record = PromptRecord(id=record_id, messages=(user(prompt),), group=group)
    return Item(record, tuple(LETTERS[: len(options)]), right, category, cluster)


def user(content: str) -> Message:
    """A user's turn."""
    return Message(role="user", content=content)
