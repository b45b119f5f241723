"""What a server's reply means: its text, its own words about a failure, and how long it asks to wait."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

QUOTA = frozenset(
    ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded")
)
"""Codes of the status 429 that no waiting cures."""


def message_text(content: object) -> str | None:
    """The text of a message: a string, or the texts of its parts. None where there is no content.

    Raises TypeError for anything else.
    """
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError(f"the content is no text: {content}")
    return "".join(_part_text(part) for part in content)


def _part_text(part: object) -> str:
    text = part.get("text") if isinstance(part, Mapping) else part
    if not isinstance(text, str):
        raise TypeError(f"a part of the content is no text: {part}")
    return text


def reasoning_of(message: object) -> str:
    """What the model thought where the server keeps it apart from the answer; empty without."""
    for name in ("reasoning_content", "reasoning"):
        text = getattr(message, name, None)
        if isinstance(text, str) and text.strip():
            return text
    return ""


def sentence(error: Exception) -> str:
    """What the server said, in its own words where they can be found, in one line."""
    cause = error.__cause__
    text = str(error) if cause is None else f"{error} ({cause})"
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        said = [body[name] for name in ("message", "detail", "error") if isinstance(body.get(name), str)]
        text = said[0] if said else text
    elif isinstance(body, str) and body.strip():
        text = body
    return " ".join(text.split())


def is_out_of_quota(error: openai.APIStatusError) -> bool:
    """Whether money is missing, not time."""
    return error.status_code == 402 or (
        error.status_code == 429 and not QUOTA.isdisjoint((error.code, error.type))
    )


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for (a number or a date); None where it is missing or senseless."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d*)?\s*", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def names_parameter(error: openai.APIStatusError, name: str) -> bool:
    """Whether a server that rejects a request says that it is about the parameter `name`."""
    return re.search(rf"\b{name}\b", f"{error.message} {error.body}") is not None
