"""Asking so that nothing answered is lost or asked again: every answer goes into a journal before it counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Protocol

from assay.errors import AssayError
from assay.storage.journal import Journal
from assay.studies.preferences.asking.asking import Backend, ChoiceAnswer, Question

PATIENCE = 50  # failed requests in a row after which the run ends: an outage, not bad luck
FEWEST = 0.02  # share of answers that must hold a choice; below, the model or the template is wrong
JUDGED = 10 * PATIENCE  # answers before that share is looked at
UNCLEAR = "unclear"  # the failure of an answer that came and holds no choice
SHOWN_CHARACTERS = 300  # of the last failure when the run ends
KEPT_CHARACTERS = 120  # of each answer, enough to check the rule that read it


class NoAnswersError(AssayError):
    """Question after question failed: `failures` are these answers, of `asked` in all where they did not come in a row."""

    def __init__(self, failures: Sequence[ChoiceAnswer], asked: int = 0):
        counts = Counter(answer.failure for answer in failures)
        kinds = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        in_a_row = f" of {asked}" if asked > len(failures) else " in a row"
        super().__init__(
            f"{len(failures)} answers{in_a_row} failed ({kinds}); the last one: {failures[-1].text[:SHOWN_CHARACTERS]!r}. "
            "Check the endpoint, the model and the template, then run again: answers so far are kept, these failures are "
            "asked again"
        )
        self.failures = list(failures)


class Progress(Protocol):
    """Told how far the asking is."""

    def start(self, answers: int) -> None:
        """So many answers are wanted, at most."""

    def resume(self, answers: int) -> None:
        """So many came in an earlier, interrupted run."""

    def advance(self, answers: int) -> None:
        """So many more came."""

    def iterate(self, iteration: int, rank_correlation: float) -> None:
        """An iteration ended, and this is how its ranking agrees with the one before."""


class Recorder:
    """Asks a backend what the journal does not hold yet. `resumed` counts the answers that it held at the start.

    Failures are final, so that a resumed run takes the same way as an uninterrupted one; only those after the journal's
    last answer, which nothing rests on, are asked again.
    """

    def __init__(self, journal: Journal, backend: Backend, progress: Progress | None = None):
        self._journal = journal
        self._backend = backend
        self._progress = progress
        held = [ChoiceAnswer(**row) for row in journal.rows]
        while held and held[-1].failure is not None:
            held.pop()
        self._answers = {answer.id: answer for answer in held}
        self.resumed = len(self._answers)
        if progress is not None:
            progress.resume(self.resumed)

    def ask(self, questions: Sequence[Question]) -> list[ChoiceAnswer]:
        """The answers to `questions`, in their order.

        Raises NoAnswersError when PATIENCE requests in a row fail, when hardly an answer holds a choice, and when none of the
        first `questions` does. An answer without a choice is no outage: a model that seldom begins with a label gives many in a row.
        """
        missing = [question for question in questions if question.id not in self._answers]
        failures: list[ChoiceAnswer] = []
        outage: list[ChoiceAnswer] = []
        asked = 0
        for group in self._backend.ask(missing):
            kept = [replace(answer, text=answer.text[:KEPT_CHARACTERS]) for answer in group]
            self._journal.append([asdict(answer) for answer in kept])
            self._answers |= {answer.id: answer for answer in kept}
            if self._progress is not None:
                self._progress.advance(len(group))
            failures += [answer for answer in group if answer.failure is not None]
            asked += len(group)
            if asked >= JUDGED and asked - len(failures) < FEWEST * asked:
                raise NoAnswersError(failures, asked)
            for answer in group:
                outage = [] if answer.failure in (None, UNCLEAR) else [*outage, answer]
                if len(outage) >= PATIENCE:
                    raise NoAnswersError(outage)
        if failures and all(answer.failure is not None for answer in self._answers.values()):
            raise NoAnswersError(failures)
        return [self._answers[question.id] for question in questions]
