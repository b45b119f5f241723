"""The words for tokens before reading and writing shared one language: still read, and still written in adapter files.

Adapter files keep them, so that equal trainings give equal bytes.
"""

import re

_WORDS = {"prompt_last": "prompt[-1]", "response": "response[:]"}
_WORDS_NOW = {now: word for word, now in _WORDS.items()}
_FIRST, _FIRST_NOW = re.compile(r"first_([1-9]\d*)"), re.compile(r"response\[:([1-9]\d*)\]")


def current_word(expression: str) -> str:
    """Today's expression for an earlier word; anything else as it is."""
    match = _FIRST.fullmatch(expression)
    return f"response[:{match[1]}]" if match else _WORDS.get(expression, expression)


def earlier_word(expression: str) -> str:
    """The earlier word for an expression; one that had none, or is an earlier word, as it is."""
    match = _FIRST_NOW.fullmatch(expression)
    return f"first_{match[1]}" if match else _WORDS_NOW.get(expression, expression)
