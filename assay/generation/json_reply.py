"""Reading a judge's reply, which should be a JSON object."""

import json

from assay.generation.endpoint import ChatError


def parse_json_field(text: str, name: str, allowed: tuple[str, ...]) -> str:
    """A field of the JSON object in `text`, which may stand in a code fence. Raises ChatError unless it is allowed."""
    try:
        value = json.loads(text[text.index("{") : text.rindex("}") + 1])[name]
    except (ValueError, KeyError, TypeError) as error:
        raise ChatError("garbage", f"no {name} in {text[:80]!r}") from error
    if value not in allowed:
        raise ChatError("garbage", f"{name} {value!r} is none of {', '.join(allowed)}")
    return str(value)
