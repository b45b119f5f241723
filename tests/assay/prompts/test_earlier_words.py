import warnings

import pytest

from assay.prompts.earlier_words import current_word, earlier_word
from assay.prompts.positions import Layout, parse_position, parse_written, written

PAIRS = {
    "prompt_last": "prompt[-1]",
    "response": "response[:]",
    "first_1": "response[:1]",
    "first_20": "response[:20]",
}


@pytest.mark.parametrize("old", PAIRS)
def test_an_earlier_word_means_what_it_meant(old: str) -> None:
    assert (current_word(old), earlier_word(PAIRS[old])) == (PAIRS[old], old)
    assert (current_word(PAIRS[old]), earlier_word(old)) == (PAIRS[old], old)
    parse_position.cache_clear()
    parse_written.cache_clear()
    with pytest.warns(FutureWarning) as caught:
        position = parse_written(old)
    assert [str(one.message) for one in caught] == [f"the position {old!r} is now written {PAIRS[old]!r}"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, now = parse_written(old), parse_written(PAIRS[old])  # said once
    assert again is position
    tokens = {"prompt_last": [3], "response": [4, 5, 6], "first_1": [4], "first_20": [4, 5, 6]}[old]
    for one in (position, now):
        assert written(one, Layout(7, 4), 0, 7).tolist() == tokens


@pytest.mark.parametrize(
    "word", ["all", "span:first_1", "first_0", "response[1:]", "response[:-1]", "prompt[:]"]
)
def test_other_words_stay(word: str) -> None:
    assert (current_word(word), earlier_word(word)) == (word, word)
