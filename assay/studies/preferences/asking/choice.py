"""What an answer chose: the label it begins with, a refusal, or nothing that can be told without reading on."""

import re
from dataclasses import dataclass
from typing import Literal

from assay.prompts.choice_template import Template, bare_label
from assay.studies.preferences.utilities.comparisons import Choice

Rule = Literal["exact", "prefix", "opening", "judge", "probability"]

_DRESSING = re.compile(r"[\s*#_\\`>]*")

# How chat models begin an answer that does neither task (Gemma, Llama, Qwen, GPT; the apostrophe may be curly). An answer
# that declines one task and does the other begins like this too: only a judge can tell, and without one it is a refusal.
REFUSAL_OPENINGS = (
    "i can't",
    "i cannot",
    "i can not",
    "i won't",
    "i will not",
    "i'm not able",
    "i am not able",
    "i'm unable",
    "i am unable",
    "i'm sorry",
    "i am sorry",
    "i must decline",
    "i have to decline",
    "i refuse",
    "i do not want to do",
    "sorry, ",
    "i apologize",
    "neither task",
    "neither of these",
    "neither.",
)


@dataclass(frozen=True)
class Parsed:
    """A choice and the rule that found it; `choice` None: no rule applies."""

    choice: Choice | None
    rule: Rule | None = None


UNCLEAR = Parsed(None)


def parse_label(text: str, template: Template) -> Parsed:
    """The label that an answer is, or begins with.

    First, the whole answer may be a label, with or without its colon. Else leading whitespace and markdown are passed
    over, and the answer must begin with a label as a whole word, in any case: "**task b** …" is B, "Task analysis" is not A.
    """
    labels: tuple[tuple[Literal["a", "b"], str], ...] = (("a", template.label_a), ("b", template.label_b))
    for choice, label in labels:
        if text.strip() in (label, bare_label(label)):
            return Parsed(choice, "exact")
    opening = _undress(text)
    for choice, label in labels:
        if re.match(re.escape(bare_label(label)) + r"(?![^\W_])", opening, re.IGNORECASE):
            return Parsed(choice, "prefix")
    return UNCLEAR


def parse_answer(text: str, template: Template) -> Parsed:
    """`parse_label`, and where no label leads, a known opening of a refusal: what can be told without a judge."""
    parsed = parse_label(text, template)
    if parsed.choice is None and is_refusal_opening(text):
        return Parsed("refusal", "opening")
    return parsed


def is_refusal_opening(text: str) -> bool:
    """Whether an answer begins like a refusal of both tasks."""
    return _undress(text).replace("’", "'").lower().startswith(REFUSAL_OPENINGS)


def _undress(text: str) -> str:
    """An answer without leading whitespace and markdown."""
    return _DRESSING.sub("", text, count=1)
