"""What a model makes of an item: how probable it finds each candidate."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assay.evaluation.items import Item


@dataclass(frozen=True)
class Answer:
    """The log-probability (nats) of every candidate of an item."""

    item: Item
    logps: tuple[float, ...]

    @cached_property
    def margin(self) -> float:
        """Log-probability of the right candidate less that of the likeliest other one (risky − safe, claim − denial)."""
        others = [logp for place, logp in enumerate(self.logps) if place != self.item.right]
        return self.logps[self.item.right] - max(others)

    @property
    def is_right(self) -> bool:
        """Whether the right candidate is likelier than every other one: margin > 0, so a tie is not right."""
        return self.margin > 0

    @cached_property
    def p_right(self) -> float:
        """The right candidate's share of the probability of all candidates."""
        logps = np.asarray(self.logps)
        weights = np.exp(logps - logps.max())
        return float(weights[self.item.right] / weights.sum())

    @property
    def chosen(self) -> str:
        """The likeliest candidate, the first of equals."""
        return self.item.candidates[int(np.argmax(self.logps))]
