"""Random draws that belong to an item: the same whatever else is drawn, in whatever order."""

import hashlib
import json

import numpy as np
from numpy.typing import NDArray


def item_seed(seed: int, name: str) -> int:
    """A 128-bit seed of the item `name` under `seed`, the same in every process."""
    digest = hashlib.sha256(json.dumps([seed, name]).encode()).digest()
    return int.from_bytes(digest[:16], "big")


def item_draws(seed: int, name: str) -> np.random.Generator:
    """The generator of the item `name` under `seed`."""
    return np.random.default_rng(item_seed(seed, name))


def draw_index(weights: NDArray[np.float64], draws: np.random.Generator) -> int:
    """An index of `weights` [n], with probability proportional to its weight, by one uniform draw."""
    cumulative = weights.cumsum()
    return int(np.searchsorted(cumulative, draws.random() * cumulative[-1], side="right"))


def softmax(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities [n] of a draw at a temperature; at 0 all of it is the largest logit's, the first one's of equals."""
    if temperature == 0:
        certain = np.zeros(len(logits))
        certain[logits.argmax()] = 1.0
        return certain
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities
