"""The one place where a record becomes token ids.

Invariants: exactly one BOS where the tokenizer has a BOS token, chat template or not; a prompt's tokens do not depend
on the response that follows; response ids are the generated ones where the record has them; contents are untrusted,
so a control token's string inside one ("<end_of_turn>" typed by a user) is encoded as plain text, never as structure,
and counted. Only a record that says `rendered` means the ones in its text, or in its response.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import Pattern
from typing import Any

import numpy as np

from assay.errors import AssayError
from assay.prompts.positions import Layout, Position, parse_position, parse_written, select
from assay.prompts.records import PromptRecord
from assay.prompts.rendering import Content, Rendering, control_pattern, control_strings, render
from assay.prompts.spans import locate_spans

_ANCHOR = "\n"


@dataclass(frozen=True)
class Encoding:
    """One record as tokens, unpadded.

    `ids` and `attention_mask` are int64 (n_tokens,). `layout` says what each token belongs to, and `positions` maps each
    asked expression to token indices into `ids`.
    `prompt` is the rendered prompt and `offsets` int64 (prompt_length, 2) the characters [start, end) of it that each
    prompt token covers; an added BOS covers none. For a text record `prompt` is its text (less a leading BOS string).
    `defused` counts control-token strings in the contents that were encoded as plain text; `bos_added` says that the one BOS
    is not the prompt's own.
    """

    id: str
    ids: np.ndarray
    attention_mask: np.ndarray
    layout: Layout
    positions: dict[str, np.ndarray]
    prompt: str
    offsets: np.ndarray
    defused: int
    bos_added: bool

    @property
    def prompt_length(self) -> int:
        """How many of the first tokens are the prompt, generation prompt included; the rest is the response."""
        return self.layout.prompt_length


def encode(tokenizer: Any, record: PromptRecord, positions: Sequence[str] = ()) -> Encoding:
    """Encode a record with a fast Hugging Face tokenizer and resolve `positions` (design §3) to token indices.

    Raises AssayError, naming the record, for an unknown expression, one that selects no token, a conversation the chat
    template refuses, and a record without any token.
    """
    if not tokenizer.is_fast:
        raise AssayError(
            f"{type(tokenizer).__name__} has no character offsets; convert it to a fast tokenizer (tokenizer.json)"
        )
    parsed = [parse_position(expression) for expression in positions]
    try:
        return _encode(tokenizer, record, parsed)
    except AssayError as error:
        raise AssayError(f"record {record.id!r}: {error}") from error


def encode_written(tokenizer: Any, record: PromptRecord, expressions: Iterable[str]) -> Encoding:
    """Encode a record into whose activations something is written at `expressions`; `written` takes its `layout`.

    Spans and explicit tokens that the record does not have leave it alone. Raises AssayError as `encode` does, for those
    that it has.
    """
    asked = [parse_written(expression) for expression in dict.fromkeys(expressions)]
    own = [
        one.expression
        for one in asked
        if one.name in record.spans or (one.part == "explicit" and record.positions is not None)
    ]
    return encode(tokenizer, record, own)


def encode_responses(tokenizer: Any, record: PromptRecord, responses: Sequence[str]) -> list[np.ndarray]:
    """The int64 ids that `encode` gives each of several responses (one or more) to one prompt, which is rendered once.

    Raises AssayError, naming the record, for a conversation the chat template refuses.
    """
    records = [dataclasses.replace(record, response=response, response_ids=None) for response in responses]
    try:
        rendering = render(tokenizer, records[0])
    except AssayError as error:
        raise AssayError(f"record {record.id!r}: {error}") from error
    controls = _controls(tokenizer, str(tokenizer.chat_template), len(tokenizer))
    lead = _tokens(tokenizer, controls, rendering.text, _guarded(record, rendering))
    return [_response(tokenizer, controls, one, rendering, lead)[0] for one in records]


def _encode(tokenizer: Any, record: PromptRecord, parsed: Sequence[Position]) -> Encoding:
    rendering = render(tokenizer, record)
    controls = _controls(tokenizer, str(tokenizer.chat_template), len(tokenizer))
    bare = _tokens(tokenizer, controls, rendering.text, _guarded(record, rendering))
    prompt = _with_one_bos(tokenizer, bare)
    response, defused = _response(tokenizer, controls, record, rendering, bare)
    ids = np.concatenate([prompt.ids, response])
    if len(ids) == 0:
        raise AssayError("it has no token; give it some text")
    offsets = np.stack([prompt.starts, prompt.ends], axis=1)
    layout = Layout(
        n_tokens=len(ids),
        prompt_length=len(prompt.ids),
        spans=locate_spans(rendering, offsets, record.spans),
        turn_end=_turn_end(controls, prompt, rendering),
        explicit=record.positions,
    )
    return Encoding(
        id=record.id,
        ids=ids,
        attention_mask=np.ones_like(ids),
        layout=layout,
        positions={position.expression: select(position, layout) for position in parsed},
        prompt=rendering.text,
        offsets=offsets,
        defused=prompt.defused + defused,
        bos_added=tokenizer.bos_token_id is not None and not (bare.ids[:1] == tokenizer.bos_token_id).any(),
    )


def _guarded(record: PromptRecord, rendering: Rendering) -> tuple[Content, ...]:
    """The contents in which control strings are plain text: all but a text that was rendered beforehand."""
    return () if record.rendered and record.messages is None else rendering.contents


@dataclass(frozen=True)
class _Tokens:
    """Tokens of a text: ids and the characters [start, end) each covers, all int64 (n,)."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    defused: int


@dataclass(frozen=True)
class _Controls:
    """What structures a prompt: a pattern of the control strings, and which ids they are, bool (largest id + 2,)."""

    pattern: Pattern[str]
    flags: np.ndarray

    def among(self, ids: np.ndarray) -> np.ndarray:
        """Which of `ids` (n,) are control tokens, bool (n,)."""
        among: np.ndarray = self.flags[np.minimum(ids, len(self.flags) - 1)]
        return among


@lru_cache(maxsize=16)
def _controls(tokenizer: Any, _template: str, _size: int) -> _Controls:
    """Remembered until the tokenizer's chat template or the size of its vocabulary changes."""
    strings = control_strings(tokenizer)
    flags = np.zeros(max(strings.values(), default=-1) + 2, dtype=bool)  # the last stands for every larger id
    flags[list(strings.values())] = True
    return _Controls(control_pattern(list(strings)), flags)


def _tokens(
    tokenizer: Any, controls: _Controls, text: str, contents: Sequence[Content], *, start: int = 0
) -> _Tokens:
    """Tokenise text[start:] without adding special tokens; control strings inside `contents` become plain text.

    Splitting there costs nothing: a control token is a hard boundary for every tokenizer, were it one or not.
    """
    literal = [
        match.span()
        for content in sorted(contents, key=lambda c: c.start)
        for match in controls.pattern.finditer(text, content.start, content.end)
    ]
    pieces, at = [], start
    for first, end in literal:
        pieces += [_piece(tokenizer, text, at, first), _plain_piece(tokenizer, controls, text, first, end)]
        at = end
    pieces.append(_piece(tokenizer, text, at, len(text)))
    ids, starts, ends = np.concatenate(pieces, axis=1)
    tokens = _Tokens(ids, starts, ends, defused=len(literal))
    _check_contents(tokenizer, controls, tokens, contents)
    return tokens


def _piece(tokenizer: Any, text: str, start: int, end: int, *, plain: bool = False) -> np.ndarray:
    """int64 (3, n): ids, first characters and end characters of the tokens of text[start:end].

    What does not begin the text is encoded after a newline, so that a tokenizer which puts a space before every text
    puts none here; alone, where its tokens would merge with the newline.
    """
    if start == end:
        return np.zeros((3, 0), dtype=np.int64)
    if start:
        lead = _call(tokenizer, _ANCHOR, plain=plain)
        tokens = _call(tokenizer, _ANCHOR + text[start:end], plain=plain)
        if np.array_equal(tokens[0, : lead.shape[1]], lead[0]):
            tokens[1:] = np.maximum(tokens[1:] + start - len(_ANCHOR), start)
            return tokens[:, lead.shape[1] :]
    tokens = _call(tokenizer, text[start:end], plain=plain)
    tokens[1:] += start
    return tokens


def _call(tokenizer: Any, text: str, *, plain: bool) -> np.ndarray:
    encoded = tokenizer(
        text,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        split_special_tokens=plain,
        verbose=False,
    )
    offsets = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
    return np.stack([np.asarray(encoded["input_ids"], dtype=np.int64), offsets[:, 0], offsets[:, 1]])


def _plain_piece(tokenizer: Any, controls: _Controls, text: str, start: int, end: int) -> np.ndarray:
    """The characters of a control string as ordinary tokens."""
    piece = _piece(tokenizer, text, start, end, plain=True)
    if not controls.among(piece[0]).any():
        return piece
    # An added token that is not "special" is matched all the same: take its first character apart from the rest.
    return np.concatenate(
        [_piece(tokenizer, text, start, start + 1), _piece(tokenizer, text, start + 1, end, plain=True)],
        axis=1,
    )


def _check_contents(
    tokenizer: Any, controls: _Controls, tokens: _Tokens, contents: Sequence[Content]
) -> None:
    """No control token may touch a content: a last defence against tokenizers that match more than exact strings."""
    for index in np.flatnonzero(controls.among(tokens.ids)):
        for content in contents:
            if tokens.starts[index] < content.end and tokens.ends[index] > content.start:
                token = tokenizer.convert_ids_to_tokens(int(tokens.ids[index]))
                raise AssayError(
                    f"a content would be read as the control token {token}; change the text there"
                )


def _with_one_bos(tokenizer: Any, tokens: _Tokens) -> _Tokens:
    bos = tokenizer.bos_token_id
    if bos is None:
        return tokens
    others = np.flatnonzero(tokens.ids != bos)
    leading = int(others[0]) if len(others) else len(tokens.ids)
    start = np.zeros(1, dtype=np.int64)
    return _Tokens(
        ids=np.concatenate([start + bos, tokens.ids[leading:]]),
        starts=np.concatenate([start, tokens.starts[leading:]]),
        ends=np.concatenate([start, tokens.ends[leading:]]),
        defused=tokens.defused,
    )


def _response(
    tokenizer: Any, controls: _Controls, record: PromptRecord, rendering: Rendering, lead: _Tokens
) -> tuple[np.ndarray, int]:
    """int64 ids of the teacher-forced response, and how many control strings in it were defused.

    `lead` is the prompt's tokens before the one BOS was seen to.
    """
    if record.response_ids is not None:
        ids = np.asarray(record.response_ids, dtype=np.int64)
        if len(ids) and not (ids.min() >= 0 and ids.max() < len(tokenizer)):
            raise AssayError(
                f"field 'response_ids': ids must lie in 0 to {len(tokenizer) - 1}, the tokenizer's vocabulary"
            )
        return ids, 0
    if not record.response:
        return np.zeros(0, dtype=np.int64), 0
    # In place, after the prompt. If a token would straddle the boundary, which generation cannot do, on its own.
    prompt = rendering.text
    whole = Content(-1, start=len(prompt), length=len(record.response))
    response = () if record.rendered else (whole,)
    guarded = (*_guarded(record, rendering), *response)
    joint = _tokens(tokenizer, controls, prompt + record.response, guarded)
    if np.array_equal(joint.ids[: len(lead.ids)], lead.ids):
        return joint.ids[len(lead.ids) :], joint.defused - lead.defused
    alone = _tokens(tokenizer, controls, prompt + record.response, response, start=len(prompt))
    return alone.ids, alone.defused


def _turn_end(controls: _Controls, tokens: _Tokens, rendering: Rendering) -> np.ndarray:
    """The first control token after the last user content and before any later content: `<end_of_turn>` for Gemma."""
    user = rendering.last_user
    if user is None:
        return np.zeros(0, dtype=np.int64)
    later = [content.start for content in rendering.contents if content.start > user.start]
    until = min(later, default=len(rendering.text))
    between = (tokens.starts >= user.end) & (tokens.ends <= until) & controls.among(tokens.ids)
    return np.flatnonzero(between)[:1]
