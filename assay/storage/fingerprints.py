"""Names of content: the same content has the same name in every process, other content another one."""

import hashlib
import json
from typing import Any


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's JSON, 64 hexadecimal digits; the order of an object's keys does not count."""
    return text_hash(json.dumps(value, sort_keys=True))


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
