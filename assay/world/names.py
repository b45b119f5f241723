"""Synthetic names: pronounceable, capitalised, far enough apart that no two are confused."""

import numpy as np

ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gl",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "z",
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "ei", "ou")
CODAS = ("", "n", "l", "r", "s", "m", "nd", "rk", "th")


def make_names(rng: np.random.Generator, count: int, taken: set[str], *, syllables: int = 2) -> list[str]:
    """`count` new names; `taken` holds the names already used in the world and grows by the new ones.

    A name never contains another one, because names become units of the tokenizer.
    """
    names: list[str] = []
    while len(names) < count:
        name = _name(rng, syllables)
        if any(name.lower() in other.lower() or other.lower() in name.lower() for other in taken):
            continue
        taken.add(name)
        names.append(name)
    return names


def _name(rng: np.random.Generator, syllables: int) -> str:
    pieces = [ONSETS[rng.integers(len(ONSETS))] + VOWELS[rng.integers(len(VOWELS))] for _ in range(syllables)]
    return "".join(pieces).capitalize() + CODAS[rng.integers(len(CODAS))]
