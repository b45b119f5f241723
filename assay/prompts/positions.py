"""Positions: the expressions that say which tokens of an encoded record are meant, for reading and for writing."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from assay.errors import AssayError
from assay.prompts.earlier_words import current_word

Part = Literal["prompt", "response", "all", "span", "turn_end", "explicit"]
GRAMMAR = (
    "prompt[-1], prompt[:], prompt[a:b], response[:5], response[:], all, span:<name>, turn_end or explicit"
)
_WHOLE: dict[str, Part] = {"all": "all", "turn_end": "turn_end", "explicit": "explicit"}
_MARKED: tuple[Part, ...] = ("span", "turn_end", "explicit")
_LONGEST = 2**31  # tokens, more than any response has
_INDEXED = re.compile(r"(prompt|response)\[(?:(-?\d+)|(-?\d+)?:(-?\d+)?)\]")


@dataclass(frozen=True)
class Position:
    """A parsed expression. `index` is an int or a slice for `prompt` and `response`, `name` the span's name."""

    expression: str
    part: Part
    index: int | slice | None = None
    name: str | None = None

    @property
    def is_marked(self) -> bool:
        """Whether it is marked in a record, which may lack it: a span, the end of a turn, its explicit tokens."""
        return self.part in _MARKED


@dataclass(frozen=True)
class Layout:
    """What positions of one encoded record refer to, all as indices into its ids.

    `spans` holds the tokens of each named span; `turn_end` the token(s) that close the last user turn, empty where
    the prompt has no such token; `explicit` the record's own indices, None where it has none.
    """

    n_tokens: int
    prompt_length: int
    spans: Mapping[str, np.ndarray] = field(default_factory=dict)
    turn_end: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    explicit: tuple[int, ...] | None = None


@lru_cache(maxsize=256)
def parse_position(expression: str) -> Position:
    """Parse one expression of the vocabulary; an earlier word is read with a warning that gives today's.

    Raises AssayError that lists the grammar.
    """
    text = current_word(expression.strip())
    if text != expression.strip():
        warnings.warn(f"the position {expression!r} is now written {text!r}", FutureWarning, stacklevel=2)
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


@lru_cache(maxsize=256)
def parse_written(expression: str) -> Position:
    """Parse an expression that says where to write, also in a response that is yet to be generated.

    Raises AssayError for an unknown one, and for one whose tokens depend on where the response ends or that has none.
    """
    position = parse_position(expression)
    if position.part == "response":
        index = position.index
        bounds = (index.start, index.stop) if isinstance(index, slice) else (index,)
        if min(bound or 0 for bound in bounds) < 0:
            raise AssayError(
                f"nothing can be written at {expression!r}: it counts from the end of a response, which is not known while "
                "the response is generated; count from its beginning, as in response[:5]"
            )
        if isinstance(index, slice) and not range(_LONGEST)[index]:
            raise AssayError(f"nothing can be written at {expression!r}: it selects no token")
    return position


def select(position: Position, layout: Layout) -> np.ndarray:
    """Token indices (int64, at least one) of `position`. Raises AssayError, with the cure, when it selects no token."""
    if position.part == "span":
        indices = _span(position, layout)
    elif position.part == "turn_end":
        indices = layout.turn_end
    elif position.part == "explicit":
        indices = _explicit(layout)
    else:
        indices = _sliced(position, layout.n_tokens, layout.prompt_length)
    if len(indices) == 0:
        raise AssayError(f"position {position.expression!r} selects no token: {_reason(position, layout)}")
    return np.asarray(indices, dtype=np.int64)


def written(position: Position, layout: Layout, start: int, stop: int) -> np.ndarray:
    """The token indices in [start, stop) that writing at `position` (of `parse_written`) changes: sorted, distinct int64.

    They are those that `select` gives where the record has them: what is read at an expression is written at it. Tokens
    from `layout.n_tokens` on are of a response under way. What a record lacks, such as a span, changes nothing of it.
    """
    if position.part == "span":
        tokens = np.asarray(layout.spans.get(position.name or "", ()), dtype=np.int64)
    elif position.part == "turn_end":
        tokens = layout.turn_end
    elif position.part == "explicit":
        tokens = np.unique(np.asarray(layout.explicit or (), dtype=np.int64))
    else:
        tokens = _sliced(position, max(stop, layout.prompt_length), layout.prompt_length)
    return tokens[(tokens >= start) & (tokens < stop)]


def _sliced(position: Position, n_tokens: int, boundary: int) -> np.ndarray:
    everything = np.arange(n_tokens)
    if position.part == "all":
        return everything
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
