"""JSON that people and other programs write, read strictly: a byte order mark is no content, half a character none either."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.errors import AssayError


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text. Raises AssayError beginning with `where` for what is no JSON, and for a lone surrogate."""
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise AssayError(f"{where} is nested too deeply") from error
    except ValueError as error:  # of the decoder, and of a number with thousands of digits
        raise AssayError(f"{where} is not valid JSON: {error}") from error
    if "\\ud" in text or "\\uD" in text:
        refuse_surrogates(value, where)
    return value


def read_document(path: Path) -> Any:
    """The value of a JSON file in UTF-8, with or without a byte order mark. Raises AssayError that names the file."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise AssayError(
            f"{path} does not exist; run the stage that makes it (`dvc repro`) or check the path"
        ) from error
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    return parse_json(text, str(path))


def refuse_surrogates(value: Any, where: str) -> None:
    """Raise AssayError naming the field in which half of a surrogate pair stands alone: it is no character."""
    for field, text in _texts(value, ""):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            place = f", field '{field}'" if field else ""
            raise AssayError(
                f"{where}{place}: {text[error.start]!a} is half of a surrogate pair and no character; remove it"
            ) from error


def shape(value: Any) -> str:
    """What a row is, in words: the names that an object has, or the kind of another value."""
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, value)) or 'nothing'}"
    kinds = {str: "a text", list: "a list", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _texts(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """(place, text) of every text and key in a value."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield field, key
            yield from _texts(item, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _texts(item, f"{field}[{place}]")
