from stages.shared.words import words


def test_words_are_stripped_and_empty_ones_left_out() -> None:
    assert words("a, b,,c ") == ["a", "b", "c"]
    assert words("") == []
