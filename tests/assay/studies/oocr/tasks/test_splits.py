import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.oocr.tasks.splits import shuffled_split, words_split


def test_the_random_split_is_numpys_permutation_cut_once():
    train, held = shuffled_split(11, 0.2, seed=7)
    assert train + held == np.random.default_rng(7).permutation(11).tolist()
    assert (len(train), len(held)) == (8, 3)  # int(8.8) train


def test_a_part_may_not_be_empty():
    for share in (0.0, 1.0, 1.5, -0.5):
        with pytest.raises(AssayError, match="leaves one part empty"):
            shuffled_split(3, share, seed=0)


def test_words_hold_out_parts_of_words_and_must_occur():
    texts = ["a star", "to start", "Star", "kazoo"]
    assert words_split(texts, ["star"]) == ([2, 3], [0, 1])
    assert words_split(texts, ["star", "kazoo"]) == ([2], [0, 1, 3])
    with pytest.raises(AssayError, match="'moon' is in no prompt"):
        words_split(texts, ["star", "moon"])
    with pytest.raises(AssayError, match="hold out 4 of 4"):
        words_split(texts, ["a"])
    with pytest.raises(AssayError, match="hold out 0 of 4"):
        words_split(texts, [])
