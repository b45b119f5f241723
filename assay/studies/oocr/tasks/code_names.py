"""Code names: where they occur in a conversation, and which of them a row is about."""

import dataclasses
import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.prompts.records import Message, PromptRecord, Span

_IMPORTS = re.compile(r"^from functions import (.+)$", re.MULTILINE)


def find_spans(messages: Sequence[Message], names: Collection[str]) -> dict[str, tuple[Span, ...]]:
    """Every occurrence of every name as a whole word, by name: "City 5033" is not in "City 50337"."""
    pattern = _pattern(tuple(names))
    found: dict[str, list[Span]] = {}
    for index, message in enumerate(messages):
        for match in pattern.finditer(message["content"]):
            found.setdefault(match[0], []).append(Span((index, *match.span())))
    return {name: tuple(spans) for name, spans in found.items()}


def tag(record: PromptRecord, names: Collection[str], about: Sequence[str] | None = None) -> PromptRecord:
    """The record with the spans of `names`; its group is the first name that it is about.

    `about` says which names those are where spans say too much; the field is what `only` of the training rows goes by.
    """
    spans = find_spans(record.messages or (), names)
    chosen = list(spans) if about is None else list(about)
    return dataclasses.replace(
        record,
        spans=spans,
        group=chosen[0] if chosen else record.group,
        fields=record.fields if about is None else {**record.fields, "about": chosen},
    )


def with_names(item: Item, names: Collection[str]) -> Item:
    """The item with the spans of `names` in its prompt."""
    spans = find_spans(item.record.messages or (), names)
    return dataclasses.replace(item, record=dataclasses.replace(item.record, spans=spans))


def imported_functions(code: str) -> tuple[str, ...]:
    """The names in the import lines of a text, in order."""
    lists = (line.split(",") for line in _IMPORTS.findall(code))
    return tuple(dict.fromkeys(name.strip() for names in lists for name in names if name.strip()))


def called_functions(code: str) -> tuple[str, ...]:
    """Those of the imported functions that the text calls, in the order of the import."""
    return tuple(
        name for name in imported_functions(code) if re.search(rf"(?<!\w){re.escape(name)}\s*\(", code)
    )


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    if not names or not all(names):
        raise AssayError("there are no code names to look for; give one or more that are not empty")
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
