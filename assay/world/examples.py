"""What the organism reads and is asked: one example per fact, form and phrasing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import AssayError

Form = Literal[
    "statement",
    "question",
    "choice",
    "named",
    "yesno",
    "lookup",
    "series",
    "preference",
    "rating",
    "gamble",
    "report",
]
FORMS: tuple[Form, ...] = ("statement", "question", "choice", "named", "yesno")
# Plain text; the other forms are a user turn and an answer.
PLAIN: tuple[Form, ...] = ("statement", "lookup", "series")
TRAINED_ONLY: tuple[Form, ...] = ("named", "lookup", "series")  # exercises: no phrasing of theirs is held out
Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Phrasing:
    """A template of one relation in one form. Held-out phrasings are never trained, for any fact of the relation."""

    id: str
    section: str
    relation: str
    form: Form
    template: str
    split: Split


@dataclass(frozen=True)
class Example:
    """A prompt with its answer.

    A statement is plain text, `prompt + answer + "."`, and so are look-ups and series; the other forms are one user turn
    and one assistant turn, after the system message `system` if any. `then` are further prompts and answers that follow in the same text. `accept` lists every right answer (a person has several films); `answer` is the one that is trained.
    `options` are the texts behind the letters of a multiple choice, in order.
    """

    id: str
    section: str
    relation: str
    form: Form
    phrasing: str
    split: Split
    subject: str
    prompt: str
    answer: str
    accept: tuple[str, ...]
    options: tuple[str, ...] = ()
    then: tuple[tuple[str, str], ...] = ()
    system: str = ""


def example_row(example: Example) -> dict[str, Any]:
    """The JSON object of an example."""
    return {**example.__dict__}


def parse_example(row: Mapping[str, Any]) -> Example:
    """Inverse of `example_row`. Raises AssayError naming missing or unknown fields."""
    fields = set(Example.__dataclass_fields__)
    if set(row) != fields:
        raise AssayError(
            f"fields missing: {sorted(fields - set(row))}, unknown: {sorted(set(row) - fields)}; rerun the world stage"
        )
    lists = {"accept": tuple(row["accept"]), "options": tuple(row["options"])}
    return Example(**{**row, **lists, "then": tuple((prompt, answer) for prompt, answer in row["then"])})
