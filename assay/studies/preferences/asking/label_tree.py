"""The probability that an answer begins with one of two labels, and draws from what is left when it does not."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.arrays import Floats
from assay.forward.branches import Prefix, branches, proper_prefixes
from assay.statistics.draws import draw_index

NextToken = Callable[[Prefix], Floats]
"""prefix of the answer → probabilities [vocab] of its next token."""


@dataclass(frozen=True)
class LabelTree:
    """Two labels as token ids; neither begins with the other."""

    labels: tuple[Prefix, Prefix]

    @property
    def prefixes(self) -> list[Prefix]:
        """The beginnings of labels after which the next token matters, without repeats."""
        return proper_prefixes(self.labels)

    @property
    def branches(self) -> list[Prefix]:
        """The prefixes that begin no other one: sequences of these hold all of them."""
        return branches(self.labels)

    def probabilities(self, following: NextToken) -> tuple[float, float]:
        """(P(A), P(B)): that the answer begins with each label."""
        first, second = (
            float(np.prod([following(label[:end])[token] for end, token in enumerate(label)]))
            for label in self.labels
        )
        return first, second

    def draw_other(self, following: NextToken, draws: np.random.Generator) -> Prefix:
        """The first tokens of an answer that begins with neither label, up to where it leaves both.

        A token is drawn with its probability times that of no label following it: exactly the law of answers given that
        they begin otherwise. That must not be impossible.
        """
        prefix: Prefix = ()
        while prefix in self.prefixes:
            weights = following(prefix).copy()
            for token in {label[len(prefix)] for label in self.labels if label[: len(prefix)] == prefix}:
                weights[token] *= max(0.0, 1.0 - self._label_follows((*prefix, token), following))
            prefix = (*prefix, draw_index(weights, draws))
        return prefix

    def _label_follows(self, prefix: Prefix, following: NextToken) -> float:
        """The probability that an answer which begins with `prefix` begins with a label."""
        return float(
            sum(
                np.prod([following(label[:end])[label[end]] for end in range(len(prefix), len(label))])
                for label in self.labels
                if label[: len(prefix)] == prefix
            )
        )
