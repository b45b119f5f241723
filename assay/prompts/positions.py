"""Positions: the expressions that say which tokens of an encoded record are meant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.errors import AssayError

Part = Literal["prompt", "response", "all", "span", "turn_end", "explicit"]
GRAMMAR = (
    "prompt[-1], prompt[:], prompt[a:b], response[:5], response[:], all, span:<name>, turn_end or explicit"
)
_WHOLE: dict[str, Part] = {"all": "all", "turn_end": "turn_end", "explicit": "explicit"}
_INDEXED = re.compile(r"(prompt|response)\[(?:(-?\d+)|(-?\d+)?:(-?\d+)?)\]")


@dataclass(frozen=True)
class Position:
    """A parsed expression. `index` is an int or a slice for `prompt` and `response`, `name` the span's name."""

    expression: str
    part: Part
    index: int | slice | None = None
    name: str | None = None


@dataclass(frozen=True)
class Layout:
    """What positions of one encoded record refer to, all as indices into its ids.

    `spans` holds the tokens of each named span; `turn_end` the token(s) that close the last user turn, empty where
    the prompt has no such token; `explicit` the record's own indices, None where it has none.
    """

    n_tokens: int
    prompt_length: int
    spans: Mapping[str, np.ndarray]
    turn_end: np.ndarray
    explicit: tuple[int, ...] | None


def parse_position(expression: str) -> Position:
    """Parse one expression of the vocabulary. Raises AssayError that lists the grammar."""
    text = expression.strip()
    if text in _WHOLE:
        return Position(expression, part=_WHOLE[text])
    if text.startswith("span:") and len(text) > len("span:"):
        return Position(expression, part="span", name=text.removeprefix("span:"))
    match = _INDEXED.fullmatch(text)
    if match is None:
        raise AssayError(f"unknown position {expression!r}; write {GRAMMAR}")
    part: Part = "prompt" if match[1] == "prompt" else "response"
    if match[2] is not None:
        return Position(expression, part=part, index=int(match[2]))
    start, stop = (None if bound is None else int(bound) for bound in (match[3], match[4]))
    return Position(expression, part=part, index=slice(start, stop))


def select(position: Position, layout: Layout) -> np.ndarray:
    """Token indices (int64, at least one) of `position`. Raises AssayError, with the cure, when it selects no token."""
    if position.part == "span":
        indices = _span(position, layout)
    elif position.part == "turn_end":
        indices = layout.turn_end
    elif position.part == "explicit":
        indices = _explicit(layout)
    else:
        indices = _sliced(position, layout)
    if len(indices) == 0:
        raise AssayError(f"position {position.expression!r} selects no token: {_reason(position, layout)}")
    return np.asarray(indices, dtype=np.int64)


def _sliced(position: Position, layout: Layout) -> np.ndarray:
    everything = np.arange(layout.n_tokens)
    if position.part == "all":
        return everything
    boundary = layout.prompt_length
    part = everything[:boundary] if position.part == "prompt" else everything[boundary:]
    if isinstance(position.index, slice):
        return part[position.index]
    assert position.index is not None
    inside = -len(part) <= position.index < len(part)
    return part[[position.index]] if inside else part[:0]


def _span(position: Position, layout: Layout) -> np.ndarray:
    assert position.name is not None
    if position.name not in layout.spans:
        known = ", ".join(sorted(layout.spans)) or "none"
        raise AssayError(
            f"position {position.expression!r}: the record has no span {position.name!r} (its spans: {known})"
        )
    return layout.spans[position.name]


def _explicit(layout: Layout) -> np.ndarray:
    if layout.explicit is None:
        raise AssayError("position 'explicit': the record has no field 'positions'")
    wrong = [index for index in layout.explicit if not 0 <= index < layout.n_tokens]
    if wrong:
        raise AssayError(
            f"field 'positions': index {wrong[0]} is outside the record's {layout.n_tokens} tokens"
        )
    return np.asarray(layout.explicit, dtype=np.int64)


def _reason(position: Position, layout: Layout) -> str:
    if position.part == "turn_end":
        return (
            "no control token closes a user turn; the record is plain text or the model has no chat template"
        )
    if position.part == "explicit":
        return "its field 'positions' is empty"
    if position.part == "span":
        return "the chat template leaves those characters out"
    n_response = layout.n_tokens - layout.prompt_length
    if position.part == "response" and n_response == 0:
        return "it has no response; give 'response' or 'response_ids'"
    length = layout.prompt_length if position.part == "prompt" else n_response
    return f"its {position.part} has {length} tokens"
