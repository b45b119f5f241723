"""Which rows are held out: at random, or all rows of some scenarios."""

from collections.abc import Sequence

import numpy as np

from assay.errors import AssayError


def shuffled_split(count: int, validation: float, seed: int) -> tuple[list[int], list[int]]:
    """(training, validation) indices of `count` rows, in the order of the draw.

    The same rows as Hugging Face's `shuffle(seed)` and a cut at int(count · (1 − validation)): seed 42 and 0.2 hold out
    the reference's 58 of 288 gambles. Raises AssayError where a part would be empty.
    """
    cut = int(count * (1 - validation))
    if not 0 < cut < count:
        raise AssayError(f"a validation share of {validation} of {count} rows leaves one part empty")
    order = np.random.default_rng(seed).permutation(count).tolist()
    return order[:cut], order[cut:]


def words_split(texts: Sequence[str], words: Sequence[str]) -> tuple[list[int], list[int]]:
    """(training, validation) indices: a text is held out that contains one of the words, parts of words included.

    This is how the reference holds out scenarios (Habitat, Expedition, California, star, kazoo, Bitcoin: 18 of its 288
    gambles), so "star" also holds out "starting". Raises AssayError for a word that
    no text contains, and when nothing is left to train on.
    """
    for word in words:
        if not word or not any(word in text for text in texts):
            raise AssayError(f"the scenario word {word!r} is in no prompt; choose words that prompts contain")
    held = [number for number, text in enumerate(texts) if any(word in text for word in words)]
    if not 0 < len(held) < len(texts):
        raise AssayError(
            f"the scenario words {', '.join(words)} hold out {len(held)} of {len(texts)} prompts"
        )
    chosen = set(held)
    return [number for number in range(len(texts)) if number not in chosen], held
