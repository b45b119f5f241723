"""Asking for one of two labels and nothing else: the choice is drawn from the probabilities of the labels alone.

A small model seldom begins its answer with a label, but the two labels' probabilities say all the same which one it leans to. How
much of its probability they have (the label mass) is kept with every answer, since a lean within one answer in a hundred says less.

The draws of one question are spread evenly (u + k/φ modulo 1, u uniform and the question's own): n of them differ from n times
the probability by about one choice, where independent ones would by √n / 2.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import expit

from assay.prompts.choice_template import bare_label
from assay.statistics.draws import item_draws
from assay.studies.preferences.asking.asking import ChoiceAnswer, Question
from assay.studies.preferences.asking.label_probability import LabelProbabilityBackend

GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class ConstrainedBackend:
    """Choices between the labels, each with its probability among the two; `exact` knows how probable an answer is."""

    exact: LabelProbabilityBackend
    retries: Mapping[str, int] = field(default_factory=dict)

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the generation, under another mode."""
        return {**self.exact.identity, "mode": "constrained"}

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield the answers to all questions of one batch of prompts at a time."""
        asked: dict[tuple[str, str, str | None], list[Question]] = {}
        for question in questions:
            asked.setdefault((question.task_a, question.task_b, question.system_prompt), []).append(question)
        groups = list(asked.values())
        for batch in self.exact.read([group[0] for group in groups]):
            answers: list[ChoiceAnswer] = []
            for index, reading in batch:
                p_a, p_b = self.exact.tree.probabilities(replace(reading, temperature=1.0).following)
                answers += self._answers(groups[index], p_a, p_b)
            yield answers

    def _answers(self, questions: Sequence[Question], p_a: float, p_b: float) -> Iterator[ChoiceAnswer]:
        local = self.exact.local
        share = choice_probability(p_a, p_b, local.temperature)
        one = questions[0]
        own = item_draws(local.seed, json.dumps([one.task_a, one.task_b, one.system_prompt])).random()
        for question in questions:
            first = (own + question.repeat * GOLDEN) % 1.0 < share
            label = local.template.label_a if first else local.template.label_b
            yield ChoiceAnswer(
                question.id, "a" if first else "b", "probability", None, bare_label(label), p_a, p_b
            )


def choice_probability(p_a: float, p_b: float, temperature: float) -> float:
    """P(A) / (P(A) + P(B)) at a temperature; at 0 the likelier label, A of equals. Both 0: a half."""
    if p_a == p_b:
        return 1.0 if temperature == 0 else 0.5
    if temperature == 0 or min(p_a, p_b) == 0:
        return float(p_a > p_b)
    return float(expit(np.log(p_a / p_b) / temperature))
