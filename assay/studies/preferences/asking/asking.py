"""Questions, answers, and what it takes to ask: the small interface of every backend."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assay.errors import AssayError
from assay.studies.preferences.asking.choice import Parsed, Rule
from assay.studies.preferences.utilities.comparisons import Choice


@dataclass(frozen=True)
class Question:
    """Two task texts, the first one presented first. `id` is unique in a run and keys the random draws.

    `repeat` numbers the times that the same is asked, from 0.
    """

    id: str
    task_a: str
    task_b: str
    system_prompt: str | None = None
    repeat: int = 0


@dataclass(frozen=True)
class ChoiceAnswer:
    """What came back for the question `id`: a choice and the rule that found it, or the category of a failure.

    `text` is what the model said, or what a server said to a failed request. `p_a` and `p_b` are the probabilities of the labels
    where the answer was drawn from these alone.
    """

    id: str
    choice: Choice | None
    rule: Rule | None = None
    failure: str | None = None
    text: str = ""
    p_a: float | None = None
    p_b: float | None = None


def make_answer(id: str, text: str, parsed: Parsed) -> ChoiceAnswer:
    """An answer from what was parsed; a text without a choice is the failure `unclear`, never a choice."""
    failure = "unclear" if parsed.choice is None else None
    return ChoiceAnswer(id, parsed.choice, parsed.rule, failure, text)


def check_sampling(max_new_tokens: int, temperature: float) -> None:
    """Raises AssayError for a limit below one token and a temperature that is not a number from 0."""
    if max_new_tokens < 1:
        raise AssayError(f"max_new_tokens must be at least 1, found {max_new_tokens}")
    if not 0 <= temperature < float("inf"):
        raise AssayError(f"the temperature must be a number from 0, found {temperature}")


class Backend(Protocol):
    """Something that can be asked.

    `identity` holds what determines its answers besides the questions, for the resume key; no secret is in it.
    `retries` counts, by category, requests that were repeated.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """What determines the answers, JSON."""

    @property
    def retries(self) -> Mapping[str, int]:
        """Requests that failed and were sent again, by category."""

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield answers in groups, as they come; every question is answered once."""
