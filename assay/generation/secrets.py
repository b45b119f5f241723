"""Keys that a server repeats are taken out of what is shown or stored."""

import json
from urllib.parse import quote

SHORTEST = 6
"""Characters: what local servers take for a key (none, EMPTY) is no secret, and a word of many answers."""


def without_key(text: str, key: str) -> str:
    """The text with [key] in place of the key, also as it is written in a URL or in JSON."""
    if len(key) < SHORTEST:
        return text
    for form in (key, quote(key, safe=""), json.dumps(key)[1:-1]):
        text = text.replace(form, "[key]")
    return text
