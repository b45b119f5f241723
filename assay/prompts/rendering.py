"""From a record to the one string that is tokenised, knowing where in it each message's content lies.

A chat template is a program, so where it puts a content is found out by running it: once on sentinels, once on the
real contents. The real rendering must be the sentinel rendering with the contents put in; a template that rewrites
contents otherwise is refused instead of being guessed at. Two things a template may do: trim a content, and leave out the
reasoning before `</think>` in an assistant's earlier answers, as Qwen 3's does.

Templates that print today's date get the date TODAY, the same every day; those that can ask for reasoning (Qwen 3) ask for
none, so that the answer follows the prompt directly, unless the record says `enable_thinking`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from assay.errors import AssayError
from assay.prompts.records import Message, PromptRecord

# What templates leave open, fixed here so that a rendering is the same on every day: today's date, under every name that they
# ask for it by. It is Llama 3's own default.
TODAY = datetime(2024, 7, 26)
TEMPLATE_VARIABLES = {"date_string": TODAY.strftime("%d %b %Y")}

_PAD = "\u2003"  # EM SPACE: whitespace that `trim` removes and no template writes, so its absence means "trimmed"
_BLANK_LINE = "\n\n"
_NOW = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
_REASONED = "</think>"


@dataclass(frozen=True)
class Content:
    """Where a message's content lies in the rendered text.

    Characters [start, start + length) of the text are characters [trimmed, trimmed + length) of message `message`.
    """

    message: int
    start: int
    length: int
    trimmed: int = 0

    @property
    def end(self) -> int:
        """One past the last character in the rendered text."""
        return self.start + self.length

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Rendered [start, end) of the content's characters [start, end); empty where the template trimmed them."""
        inside = [min(max(at - self.trimmed, 0), self.length) for at in (start, end)]
        return self.start + inside[0], self.start + inside[1]


@dataclass(frozen=True)
class Rendering:
    """The prompt as one string, generation prompt included; `last_user` is the content that ends the last user turn."""

    text: str
    contents: tuple[Content, ...]
    last_user: Content | None = None


def render(tokenizer: Any, record: PromptRecord) -> Rendering:
    """Render a record's prompt. A plain text loses a leading BOS string, because the encoder puts the one BOS itself.

    Without a chat template the contents are joined by blank lines. Raises AssayError when the template refuses the
    conversation or rewrites a content.
    """
    if record.messages is None:
        return _render_text(tokenizer, record.text or "")
    if record.response is not None or record.response_ids is not None:
        _check_open(record.messages)
    if tokenizer.chat_template is None:
        return _join([(index, message["content"]) for index, message in enumerate(record.messages)])
    return _render_chat(tokenizer, record.messages, record.enable_thinking)


def _check_open(messages: Sequence[Message]) -> None:
    if messages[-1]["role"] == "assistant":
        raise AssayError(
            "a response must follow a user message, but the last message is the assistant's; move it to 'response'"
        )


def _render_text(tokenizer: Any, text: str) -> Rendering:
    bos = tokenizer.bos_token
    cut = 0
    while bos and text.startswith(bos, cut):
        cut += len(bos)
    return Rendering(text[cut:], (Content(0, start=0, length=len(text) - cut, trimmed=cut),))


def _join(contents: Sequence[tuple[int, str]]) -> Rendering:
    """Contents (message, text) one after the other, with a blank line between."""
    placed, at = [], 0
    for index, content in contents:
        placed.append(Content(index, start=at, length=len(content)))
        at += len(content) + len(_BLANK_LINE)
    return Rendering(_BLANK_LINE.join(content for _, content in contents), tuple(placed))


@dataclass(frozen=True)
class _Turn:
    """What a template gets as one message; a folded one holds the contents of several."""

    role: str
    body: Rendering


def _render_chat(tokenizer: Any, messages: Sequence[Message], thinking: bool) -> Rendering:
    """Try the conversation as it is; if the template has no place for the system message, fold it into the user's."""
    roles = [message["role"] for message in messages]
    attempts = (_turns, _folded_turns) if "system" in roles else (_turns,)
    refusal = ""
    for arrange in attempts:
        try:
            rendering = _render_turns(tokenizer, arrange(messages), thinking)
        except TemplateError as error:
            refusal = str(error)
            continue
        users = [content for content in rendering.contents if roles[content.message] == "user"]
        return replace(rendering, last_user=max(users, key=lambda content: content.message, default=None))
    raise AssayError(
        f"the model's chat template does not take this conversation ({', '.join(roles)}): {refusal}"
    )


def _turns(messages: Sequence[Message]) -> list[_Turn]:
    return [
        _Turn(message["role"], _join([(index, message["content"])])) for index, message in enumerate(messages)
    ]


def _folded_turns(messages: Sequence[Message]) -> list[_Turn]:
    """The leading system messages and a blank line open the first user turn; blank ones leave nothing behind."""
    n_system = next(
        (index for index, message in enumerate(messages) if message["role"] != "system"), len(messages)
    )
    if n_system == len(messages) or messages[n_system]["role"] != "user":
        raise TemplateError(
            "it has no system role, and no user message follows the system message to be opened by it"
        )
    system = [(index, messages[index]["content"]) for index in range(n_system)]
    opening = [(index, content) for index, content in system if content.strip()]
    user = _Turn("user", _join([*opening, (n_system, messages[n_system]["content"])]))
    return [user, *_turns(messages)[n_system + 1 :]]


def _render_turns(tokenizer: Any, turns: Sequence[_Turn], thinking: bool) -> Rendering:
    """Raises TemplateError when the template refuses the turns, or does more to a content than trim it or cut its reasoning."""
    sentinels = [f"{_PAD}assay-turn-{index}-here{_PAD}" for index in range(len(turns))]
    skeleton = _apply(tokenizer, turns, sentinels, thinking)
    actual = _apply(tokenizer, turns, [turn.body.text for turn in turns], thinking)
    for arranged in (turns, [_without_reasoning(turn) for turn in turns]):
        rendering = _fill(skeleton, sentinels, arranged)
        if rendering is not None and rendering.text == actual:
            return rendering
    raise TemplateError("it drops, repeats or rewrites the content of a message")


def _without_reasoning(turn: _Turn) -> _Turn:
    """An assistant's turn without what precedes its last `</think>`, and the line breaks behind that."""
    text = turn.body.text
    if turn.role != "assistant" or _REASONED not in text:
        return turn
    answer = text.rpartition(_REASONED)[2].lstrip("\n")
    cut = len(text) - len(answer)
    content = replace(turn.body.contents[0], length=len(answer), trimmed=cut)
    return replace(turn, body=Rendering(answer, (content,)))


def _template(tokenizer: Any) -> str:
    """The chat template with today's date written into it, where it asks for the date."""
    source: str = tokenizer.get_chat_template()
    dated = _NOW.sub(lambda call: json.dumps(TODAY.strftime(call[2])), source)
    if "strftime_now(" in dated:
        raise TemplateError(
            "it asks for today's date in a form that is not written out, so each day would differ"
        )
    return dated


def _apply(tokenizer: Any, turns: Sequence[_Turn], contents: Sequence[str], thinking: bool) -> str:
    text: str = tokenizer.apply_chat_template(
        [{"role": turn.role, "content": content} for turn, content in zip(turns, contents, strict=True)],
        tokenize=False,
        add_generation_prompt=turns[-1].role != "assistant",
        chat_template=_template(tokenizer),
        enable_thinking=thinking,
        **TEMPLATE_VARIABLES,
    )
    return text


def _fill(skeleton: str, sentinels: Sequence[str], turns: Sequence[_Turn]) -> Rendering | None:
    """Put bodies where the sentinels are, trimmed on the sides where the template trimmed; None if it cannot be done."""
    found = []
    for sentinel, turn in zip(sentinels, turns, strict=True):
        bare = sentinel.strip()
        if skeleton.count(bare) != 1:
            return None
        start = skeleton.index(bare)
        found.append((start, start + len(bare), turn.body))
    text, at = "", 0
    placed: list[Content] = []
    for start, end, body in sorted(found, key=lambda one: one[0]):
        left, right = skeleton[:start].endswith(_PAD), skeleton.startswith(_PAD, end)
        first = 0 if left else len(body.text) - len(body.text.lstrip())
        last = len(body.text) if right else max(first, len(body.text.rstrip()))
        text += skeleton[at : start - left]
        placed += [_move(content, first, last, len(text)) for content in body.contents]
        text += body.text[first:last]
        at = end + right
    return Rendering(text + skeleton[at:], tuple(placed))


def _move(content: Content, first: int, last: int, to: int) -> Content:
    """A content of a body of which characters [first, last) now begin at character `to` of the rendering."""
    start = min(max(content.start, first), last)
    end = max(min(content.end, last), start)
    trimmed = content.trimmed + start - content.start
    return Content(content.message, start=to + start - first, length=end - start, trimmed=trimmed)


def control_strings(tokenizer: Any) -> dict[str, int]:
    """The strings (→ ids) that structure a prompt: special tokens, and added tokens that the chat template writes.

    Other added tokens, such as Gemma's runs of newlines or HTML tags, are ordinary text.
    """
    template = tokenizer.chat_template or ""
    source = template if isinstance(template, str) else "".join(template.values())
    return {
        token.content: index
        for index, token in tokenizer.added_tokens_decoder.items()
        if token.special or (token.content in source and not token.content.isspace())
    }


def control_pattern(strings: Sequence[str]) -> re.Pattern[str]:
    """Matches any of `strings`, the longest first; matches nothing when there are none."""
    alternatives = sorted(strings, key=len, reverse=True)
    return re.compile("|".join(re.escape(one) for one in alternatives) or r"(?!)")
