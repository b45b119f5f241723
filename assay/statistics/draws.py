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


def key_draws(seed: int, name: str, keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """A uniform number in [0, 1) for each of `keys` [n], which depends on (seed, name) and on that key alone.

    SplitMix64 (Steele et al. 2014, doi:10.1145/2714064.2660195) of the key, started from the seed: another key in the array changes no
    number but its own.
    """
    step, one, two = (
        np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
    )
    mixed = np.uint64(item_seed(seed, name) % 2**64) + (keys.astype(np.uint64) + np.uint64(1)) * step
    mixed = (mixed ^ (mixed >> np.uint64(30))) * one
    mixed = (mixed ^ (mixed >> np.uint64(27))) * two
    return np.asarray(((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53)
