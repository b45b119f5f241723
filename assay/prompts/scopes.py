"""Scopes: which tokens of a record an intervention touches, also of tokens that are yet to be generated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from assay.errors import AssayError

Kind = Literal["all", "prompt_last", "response", "first", "span"]
GRAMMAR = "all, prompt_last, response, first_<k> (the first k response tokens) or span:<name>"
_WHOLE: dict[str, Kind] = {"all": "all", "prompt_last": "prompt_last", "response": "response"}
_FIRST = re.compile(r"first_([1-9]\d*)")


@dataclass(frozen=True)
class Scope:
    """A parsed scope. `count` is the k of `first_<k>`, `span` the name of `span:<name>`."""

    kind: Kind
    count: int = 0
    span: str | None = None


@dataclass(frozen=True)
class Anatomy:
    """What scopes need to know of one encoded record: where its response begins, and the tokens of its spans.

    Token indices count from the record's first token (BOS included), as in an `Encoding`. A span the record does not
    have is simply absent: nothing of the record is touched.
    """

    prompt_length: int
    spans: Mapping[str, np.ndarray]


@lru_cache(maxsize=256)
def parse_scope(text: str) -> Scope:
    """Parse one scope. Raises AssayError that lists the grammar."""
    if text in _WHOLE:
        return Scope(_WHOLE[text])
    if text.startswith("span:") and len(text) > len("span:"):
        return Scope("span", span=text.removeprefix("span:"))
    match = _FIRST.fullmatch(text)
    if match is None:
        raise AssayError(f"unknown scope {text!r}; write {GRAMMAR}")
    return Scope("first", count=int(match[1]))


def touched(scope: Scope, anatomy: Anatomy, start: int, stop: int) -> np.ndarray:
    """The token indices in [start, stop) that `scope` touches, sorted int64; empty where it touches none of them."""
    if scope.kind == "span":
        tokens = np.asarray(anatomy.spans.get(scope.span or "", ()), dtype=np.int64)
        return tokens[(tokens >= start) & (tokens < stop)]
    first, last = {
        "all": (0, stop),
        "prompt_last": (anatomy.prompt_length - 1, anatomy.prompt_length),
        "response": (anatomy.prompt_length, stop),
        "first": (anatomy.prompt_length, anatomy.prompt_length + scope.count),
    }[scope.kind]
    return np.arange(max(first, start), max(min(last, stop), max(first, start)), dtype=np.int64)
