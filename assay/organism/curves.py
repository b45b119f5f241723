"""Curves of a training: loss by kind of text and accuracy by form, as tidy tables."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import pandas as pd

from assay.organism.accuracy import answers_right, met_by
from assay.organism.organism import PHASES, Checkpoint
from assay.organism.training import Step
from assay.world.examples import Example

EVERY = 10  # steps that one point of the loss curve averages
MOMENTS = 3  # points of the accuracy curve in each phase after the primer
SAMPLE = 16  # held-out examples per section and form behind such a point


class Curves:
    """A watcher that keeps the loss curve, and the accuracy curve on a sample of the held-out examples."""

    def __init__(self, heldout: Sequence[Example]) -> None:
        by_form: dict[str, list[Example]] = defaultdict(list)
        for example in heldout:
            by_form[_kind(example)].append(example)
        self._sample = [
            example for members in by_form.values() for example in members[:: -(-len(members) // SAMPLE)]
        ]
        self.tokens = 0
        self._loss: list[dict[str, object]] = []
        self._accuracy: list[dict[str, object]] = []
        self._window: dict[str, list[float]] = defaultdict(list)

    def __call__(self, step: Step, checkpoint: Callable[[], Checkpoint]) -> None:
        """Take in one step."""
        self.tokens += step.tokens
        for kind, loss in step.losses.items():
            self._window[kind].append(loss)
        if (step.number + 1) % EVERY == 0 or step.number + 1 == step.steps:
            for kind, losses in sorted(self._window.items()):
                mean = sum(losses) / len(losses)
                self._loss.append(
                    {"tokens": self.tokens, "phase": step.phase, "kind": kind, "loss": round(mean, 5)}
                )
            self._window.clear()
        is_moment = (step.number + 1) * MOMENTS // step.steps > step.number * MOMENTS // step.steps
        if is_moment and step.phase != PHASES[0]:  # the primer is an exercise, of which nothing is held out
            self._add_accuracy(step.phase, checkpoint())

    def _add_accuracy(self, phase: str, checkpoint: Checkpoint) -> None:
        asked = met_by(phase, self._sample)
        right = answers_right(checkpoint.model, checkpoint.tokenizer, asked)
        rates = pd.Series(right, [_kind(example) for example in asked]).groupby(level=0).mean()
        for form, rate in rates.items():
            self._accuracy.append(
                {"tokens": self.tokens, "phase": phase, "form": form, "accuracy": round(float(rate), 5)}
            )

    @property
    def loss(self) -> pd.DataFrame:
        """Columns tokens, phase, kind, loss (nats per token of prose or of an answer)."""
        return pd.DataFrame(self._loss, columns=["tokens", "phase", "kind", "loss"])

    @property
    def accuracy(self) -> pd.DataFrame:
        """Columns tokens, phase, form, accuracy (on a sample of held-out phrasings)."""
        return pd.DataFrame(self._accuracy, columns=["tokens", "phase", "form", "accuracy"])


def _kind(example: Example) -> str:
    return f"{example.section}-{example.form}"
