"""A backend without a model: it prefers the longer and later text, and does what a test tells it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assay.studies.preferences.asking.asking import ChoiceAnswer, Question
from assay.studies.preferences.utilities.comparisons import Choice


class ToyBackend:
    """Answers in groups of three; `asked` are the questions of this run, `answered` the ids it yielded.

    `stop_after` so many answers it is interrupted; `fails` names questions that time out; `choice` is given to all.
    """

    def __init__(
        self,
        *,
        identity: Mapping[str, Any] | None = None,
        stop_after: int | None = None,
        fails: Callable[[Question], bool] = lambda _: False,
        choice: Choice | None = None,
        text: str = "said",
    ):
        self.identity = dict(identity or {})
        self.retries: dict[str, int] = {}
        self.asked: list[Question] = []
        self.answered: list[str] = []
        self._stop_after = stop_after
        self._fails = fails
        self._choice = choice
        self._text = text

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield answers in groups of three."""
        self.asked += questions
        for start in range(0, len(questions), 3):
            group = [self._answer(question) for question in questions[start : start + 3]]
            if self._stop_after is not None:
                group = group[: self._stop_after - len(self.answered)]
            if group:
                self.answered += [answer.id for answer in group]
                yield group
            if len(self.answered) == self._stop_after:
                raise KeyboardInterrupt

    def _answer(self, question: Question) -> ChoiceAnswer:
        if self._fails(question):
            return ChoiceAnswer(question.id, None, failure="timeout", text="no answer in time")
        choice = self._choice or ("a" if question.task_a > question.task_b else "b")
        return ChoiceAnswer(question.id, choice, "exact", text=self._text)
