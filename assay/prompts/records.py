"""Prompt records: the JSON Lines currency of the pipeline."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from assay.errors import AssayError
from assay.storage.files import atomic_path
from assay.storage.json_text import parse_json, shape

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


class Message(TypedDict):
    """One turn of a conversation."""

    role: Role
    content: str


class Span(tuple[int, int, int]):
    """(message, start, end): characters [start, end) of message number `message`; 0 for a `text` record."""

    __slots__ = ()


@dataclass(frozen=True)
class PromptRecord:
    """One prompt, as a conversation (`messages`) or as plain `text`; exactly one of the two is set.

    `response` is assistant text to teacher-force; `response_ids` the generated token ids, which win over it.
    `rendered` says that the text, or the response, is as the model reads and writes it: strings of control tokens in it are
    meant, not quoted. `enable_thinking` is handed to the chat template.
    `spans` maps a name to character spans; `positions` are explicit token indices into the encoded record
    (BOS included). `fields` keeps every other key of the row for the study that wrote it.
    """

    id: str
    messages: tuple[Message, ...] | None = None
    text: str | None = None
    response: str | None = None
    response_ids: tuple[int, ...] | None = None
    rendered: bool = False
    enable_thinking: bool = False
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    positions: tuple[int, ...] | None = None
    label: int | str | None = None
    score: float | None = None
    group: str | None = None
    split: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


_KNOWN = {f.name for f in dataclasses.fields(PromptRecord)} - {"fields"}


def read_records(path: Path) -> list[PromptRecord]:
    """All records of a file. Raises AssayError naming file, line and field; duplicate ids are refused."""
    return list(iter_records(path))


def iter_records(path: Path) -> Iterator[PromptRecord]:
    """The same one by one, so that memory holds their ids alone."""
    seen: dict[str, int] = {}
    for number, row in read_rows(path):
        try:
            record = parse_record(row)
        except AssayError as error:
            raise AssayError(f"{path}, line {number}: {error}") from error
        if record.id in seen:
            raise AssayError(
                f"{path}, line {number}: field 'id': {record.id!r} was used on line {seen[record.id]}; ids must be unique"
            )
        seen[record.id] = number
        yield record
    if not seen:
        raise AssayError(f"{path} holds no record; write at least one JSON object per line")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, row) of a JSON Lines file, with or without a byte order mark; blank lines are passed over.

    A line ends where a file's line ends: other separators (U+2028, U+2029, U+0085) are part of a text.
    """
    try:
        handle = open(path, encoding="utf-8-sig")  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    with handle:
        try:
            for number, line in enumerate(handle, 1):
                if not line.strip():
                    continue
                if line.lstrip().startswith("["):
                    raise AssayError(
                        f"{path}, line {number}: found a JSON array, expected one object per line; "
                        "`jq -c '.[]' array.json > lines.jsonl` converts a file"
                    )
                row = parse_json(line, f"{path}, line {number}")
                if not isinstance(row, dict):
                    raise AssayError(f"{path}, line {number}: expected a JSON object, found {shape(row)}")
                yield number, row
        except UnicodeDecodeError as error:
            raise AssayError(f"{path} is not UTF-8 text: {error}") from error


def parse_record(row: Mapping[str, Any]) -> PromptRecord:
    """Validate one row. Raises AssayError naming the field."""
    for name in ("id", "text", "response", "group", "split"):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise AssayError(f"field '{name}': expected a string, found {value!r}")
    if not row.get("id"):
        raise AssayError("field 'id': missing or empty; every record needs a unique id")
    messages = _parse_messages(row["messages"]) if row.get("messages") is not None else None
    text = row.get("text")
    if (messages is None) == (text is None):
        raise AssayError("fields 'messages' and 'text': give exactly one of them")
    for name in ("rendered", "enable_thinking"):
        if not isinstance(row.get(name, False), bool):
            raise AssayError(f"field '{name}': expected true or false, found {row[name]!r}")
    label = row.get("label")
    if label is not None and not isinstance(label, (int, str)):
        raise AssayError(f"field 'label': expected an integer or a string, found {label!r}")
    score = row.get("score")
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float))):
        raise AssayError(f"field 'score': expected a number, found {score!r}")
    contents = [text] if text is not None else [m["content"] for m in messages or ()]
    default_message = 0 if messages is None else _last_user(messages)
    return PromptRecord(
        id=row["id"],
        messages=messages,
        text=text,
        response=row.get("response"),
        response_ids=_parse_indices("response_ids", row.get("response_ids")),
        rendered=row.get("rendered", False),
        enable_thinking=row.get("enable_thinking", False),
        spans=_parse_spans(row.get("spans") or {}, contents, default_message),
        positions=_parse_indices("positions", row.get("positions")),
        label=label,
        score=None if score is None else float(score),
        group=row.get("group"),
        split=row.get("split"),
        fields={key: value for key, value in row.items() if key not in _KNOWN},
    )


def write_records(path: Path, records: Iterable[PromptRecord]) -> int:
    """Write records as JSON Lines, whole or not at all; returns how many."""
    return write_rows(path, (record_row(record) for record in records))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON Lines, whole or not at all; returns how many."""
    count = 0
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as handle:
        for row in rows:
            try:
                handle.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            except ValueError as error:
                raise AssayError(
                    f"{path}, row {count + 1} would hold a NaN or an infinity: {error}"
                ) from error
            count += 1
    return count


def record_row(record: PromptRecord) -> dict[str, Any]:
    """The JSON object of a record: set fields only, study fields last."""
    row: dict[str, Any] = {}
    for name in (f.name for f in dataclasses.fields(record) if f.name != "fields"):
        value = getattr(record, name)
        if value is None or value is False or value == {}:
            continue
        if name == "spans":
            value = {key: [list(span) for span in spans] for key, spans in value.items()}
        row[name] = list(value) if isinstance(value, tuple) else value
    return {**row, **record.fields}


def _parse_messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise AssayError("field 'messages': expected a non-empty list of {role, content}")
    for index, message in enumerate(value):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise AssayError(f"field 'messages[{index}]': expected exactly the keys role and content")
        if message["role"] not in ROLES:
            raise AssayError(
                f"field 'messages[{index}].role': {message['role']!r} is not one of {', '.join(ROLES)}"
            )
        if not isinstance(message["content"], str):
            raise AssayError(f"field 'messages[{index}].content': expected a string")
    return tuple(Message(role=m["role"], content=m["content"]) for m in value)


def _last_user(messages: tuple[Message, ...]) -> int:
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    return users[-1] if users else len(messages) - 1


def _parse_indices(name: str, value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(i, int) and not isinstance(i, bool) for i in value):
        raise AssayError(f"field '{name}': expected a list of integers")
    return tuple(value)


def _parse_spans(value: Any, contents: list[str], default_message: int) -> dict[str, tuple[Span, ...]]:
    """Spans come as [start, end] of the last user message (or of the text) or as [message, start, end]."""
    if not isinstance(value, dict):
        raise AssayError("field 'spans': expected {name: [[start, end], …]}")
    parsed = {}
    for name, spans in value.items():
        where = f"field 'spans.{name}'"
        if not isinstance(spans, list):
            raise AssayError(f"{where}: expected a list of [start, end]")
        parsed[name] = tuple(_parse_span(where, span, contents, default_message) for span in spans)
    return parsed


def _parse_span(where: str, span: Any, contents: list[str], default_message: int) -> Span:
    numbers = _parse_indices(where, span) if isinstance(span, list) else None
    if numbers is None or len(numbers) not in (2, 3):
        raise AssayError(f"{where}: expected [start, end] or [message, start, end], found {span!r}")
    message, start, end = numbers if len(numbers) == 3 else (default_message, *numbers)
    if not 0 <= message < len(contents):
        raise AssayError(f"{where}: there is no message {message}")
    if not 0 <= start < end <= len(contents[message]):
        raise AssayError(
            f"{where}: [{start}, {end}) is not inside the {len(contents[message])} characters of message {message}"
        )
    return Span((message, start, end))
