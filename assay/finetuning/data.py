"""Training rows on disk: prompt records with a response, or conversations that end with the answer to learn."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.forward.encoded import Example
from assay.prompts.records import PromptRecord, parse_record, read_rows
from assay.storage.json_text import shape

_PASSED_OVER = ("name", "weight")  # of a message, as other programs write them


def read_training_records(path: Path) -> list[PromptRecord]:
    """All rows of a JSON Lines file as records with a response.

    A conversation that ends with an assistant message learns that message; a row without an `id` is named by its line. A
    message may also have a `name`, which no template is given, and a `weight`, which must not be 0 where it would be learned.
    Raises AssayError naming file, line and field, or the shape of a row that is neither.
    """
    records: list[PromptRecord] = []
    seen: set[str] = set()
    for number, row in read_rows(path):
        try:
            _check_shape(row)
            record = parse_record(_with_response({"id": f"line-{number}", **row}))
            if record.id in seen:
                raise AssayError(f"field 'id': {record.id!r} was used before; ids must be unique")
        except AssayError as error:
            raise AssayError(f"{path}, line {number}: {error}") from error
        seen.add(record.id)
        records.append(record)
    if not records:
        raise AssayError(f"{path} holds no row; write at least one JSON object per line")
    return records


def only(records: Sequence[PromptRecord], name: str) -> list[PromptRecord]:
    """The records about `name`: their field `about` lists it or, without that field, it is their group or a span.

    Spans can say too much: code may import a function that it never calls. Raises AssayError when there is none.
    """
    chosen = [r for r in records if name in r.fields.get("about", (r.group, *r.spans))]
    if not chosen:
        raise AssayError(f"no row has the group or a span {name!r}; check --only-learn against the data")
    return chosen


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 over the ids and tokens of examples and where their prompts end."""
    total = hashlib.sha256()
    for example in examples:
        total.update(f"{example.id}\0{example.prompt_length}\0".encode() + example.ids.tobytes())
    return total.hexdigest()


def _check_shape(row: dict[str, Any]) -> None:
    if row.get("messages") is None and row.get("text") is None:
        raise AssayError(
            f"the row is {shape(row)}; expected messages that end with the assistant's, as in "
            '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, '
            'or {"text": "…", "response": "…"}; rename its fields so'
        )


def _with_response(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the last message as its response, where that message is the assistant's."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return row
    if row.get("response") is None and isinstance(messages[-1], dict) and messages[-1].get("weight") == 0:
        raise AssayError("the last message has the weight 0: there is no answer to learn; leave the row out")
    messages = [_role_and_content(message) for message in messages]
    row = {**row, "messages": messages}
    if row.get("response") is not None:
        return row
    last = messages[-1]
    if not isinstance(last, dict) or last.get("role") != "assistant":
        return row
    return {**row, "messages": messages[:-1], "response": last.get("content")}


def _role_and_content(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return {key: value for key, value in message.items() if key not in _PASSED_OVER}
