"""What an answer chose: the label it begins with, the one it says it chooses, a refusal, or nothing that can be told."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from assay.prompts.choice_template import Template, bare_label
from assay.studies.preferences.utilities.comparisons import Choice

Rule = Literal["exact", "prefix", "statement", "opening", "judge", "probability"]
Label = Literal["a", "b"]

_DRESS = r"[\s*#_\\`>]*"  # white space and markdown
_OPEN = r"""[\s*#_\\`>"'“”‘’«»„\[({<]*"""  # the same, quotes and brackets that open
_CLOSE = r"""[*_`"'“”‘’«»\])}>]*"""

# What a reader does not see: zero-width and direction marks, soft hyphens, byte order marks.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_THINKING = re.compile(r"\s*[<\[](think|thinking|thought|reasoning)[>\]]", re.IGNORECASE)
_THOUGHT = re.compile(r"[<\[]/(think|thinking|thought|reasoning)[>\]]", re.IGNORECASE)

_CHOOSE = (
    r"(?:choose|chose|chosen|choosing|pick|picked|picking|select|selected|selecting|prefer|go with|going with|opt for|"
    r"take|do|start with|begin with)"
)
# Behind a label that begins an answer: a sentence about the task, and no answer to it.
_ABOUT = re.compile(
    r"\s*(?:\?|['’]s\b|,(?!\s*(?:because|since|as|please|of course|definitely|certainly|here|I)\b)|"
    r"(?:is|was|are|were|has|had|does|did|do|can|will|would|could|should|may|might|must|seems?|sounds?|looks?|feels?|appears?|"
    r"involves?|asks?|requires?|or|and|vs|versus|but|over|than|instead)(?:n['’]t)?\b|cannot\b|n['’]t\b)",
    re.IGNORECASE,
)
# The same, where a colon or a stop is missing: behind a label on its own line go on only words that still choose.
_GOES_ON = re.compile(
    r"[^\S\n]+[*_`“\"(\[]*(?!(?:because|since|as it|please|definitely|certainly|obviously|of course|for (?:sure|me)|any ?(?:day|time)|every time|"
    r"all the way|then|first|here|I|it)\b)[^\W_]",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|never|cannot|neither|rather)\b|n['’]t\b", re.IGNORECASE)
_DOUBTED = re.compile(r"\b(?:if|when|whether|should|could|would|did|do|can|may|might|why)\s*$", re.IGNORECASE)

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
    """The label that an answer is, begins with, or says that it chooses.

    Reasoning before a closing `</think>` is no part of the answer; an answer that never leaves it is unclear. Then the whole
    answer may be a label, with or without its colon (`exact`). Else, past markdown, quotes and brackets, it may begin with a
    label as a whole word, in any case (`prefix`): "**task b** …" is B, "Task analysis" is not A. A label that begins a
    sentence about the tasks ("Task A or Task B?", "Task A is boring, …", "Task A a good thing.") decides nothing. Last, a `statement` decides:
    "I choose Task B", "Answer: Task B", "…, so Task B.", a last sentence that is a label; where statements name both labels,
    nothing is decided.
    """
    answer = _without_reasoning(_INVISIBLE.sub("", text))
    if answer is None:
        return UNCLEAR
    patterns = _patterns(bare_label(template.label_a), bare_label(template.label_b))
    for label, name in (("a", template.label_a), ("b", template.label_b)):
        if " ".join(answer.split()) in (name, bare_label(name)):
            return Parsed("a" if label == "a" else "b", "exact")
    stated = _stated(answer, patterns)
    begun = _begun(answer, patterns)
    if begun is not None and not stated - {begun}:
        return Parsed(begun, "prefix")
    if len(stated) == 1 and (begun is None or _lists_both(answer, patterns)):
        return Parsed(stated.pop(), "statement")
    return UNCLEAR


def parse_answer(text: str, template: Template) -> Parsed:
    """`parse_label`, and where no label decides, a known opening of a refusal: what can be told without a judge."""
    parsed = parse_label(text, template)
    if parsed.choice is None and is_refusal_opening(text):
        return Parsed("refusal", "opening")
    return parsed


def is_refusal_opening(text: str) -> bool:
    """Whether an answer, its reasoning left out, begins like a refusal of both tasks."""
    answer = _without_reasoning(_INVISIBLE.sub("", text))
    opening = re.sub(_DRESS, "", answer or "", count=1)
    return " ".join(opening.replace("’", "'").lower().split()).startswith(REFUSAL_OPENINGS)


def _without_reasoning(text: str) -> str | None:
    """The answer behind the reasoning; None where the reasoning never ends."""
    while opening := _THINKING.match(text):
        end = _THOUGHT.search(text, opening.end())
        if end is None:
            return None
        text = text[end.end() :]
    ends = list(_THOUGHT.finditer(text))  # of a block that the prompt began
    return text[ends[-1].end() :] if ends else text


@dataclass(frozen=True)
class _Patterns:
    """Of one label: at the beginning of an answer, anywhere, at the beginning of a line, and in a statement that chooses it."""

    begins: re.Pattern[str]
    anywhere: re.Pattern[str]
    line: re.Pattern[str]
    statements: tuple[re.Pattern[str], ...]


@lru_cache(maxsize=16)
def _patterns(bare_a: str, bare_b: str) -> dict[Label, _Patterns]:
    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE | re.MULTILINE)

    words: dict[Label, str] = {
        "a": r"[\s*_`]+".join(map(re.escape, bare_a.split())) + r"(?![^\W_])",
        "b": r"[\s*_`]+".join(map(re.escape, bare_b.split())) + r"(?![^\W_])",
    }
    either = f"(?:{words['a']}|{words['b']})"
    return {
        label: _Patterns(
            begins=compiled(rf"\A{_OPEN}{word}{_CLOSE}"),
            anywhere=compiled(rf"(?<!\w){word}"),
            line=compiled(rf"^{_OPEN}{word}{_CLOSE}\s*[:：]"),
            statements=tuple(
                compiled(pattern + rf"(?!{_CLOSE}\s*(?:,|or|and|/|&)\s*{_OPEN}{either})")
                for pattern in (
                    rf"\b(?:I|let me|let's|we)(?:['’]\w+)?\s+(?:[\w'’]+\s+){{0,3}}?{_CHOOSE}(?:\s+(?:to do|doing|for))?"
                    rf"\s*[:,]?{_OPEN}{word}",
                    rf"\b(?:answer|choice|selection|decision|pick|preference|verdict)(?:\s+(?:is|would be|will be))?"
                    rf"{_CLOSE}\s*[:=–—-]?{_OPEN}{word}",
                    rf"(?<!\w){word}{_CLOSE}(?:\s+(?:is|would be|will be)\s+(?:my|the)\s+(?:\w+\s+)?"
                    r"(?:choice|pick|answer|preference|selection)|\s+it is\b|,?\s+please\b)",
                    rf"(?:\b(?:so|therefore|thus|hence)\b|→|[-=]>)\s*,?{_OPEN}{word}{_CLOSE}(?=\s*(?:[.!:]|\Z))",
                    rf"(?:[.!?:]\s|\n\s*\n){_OPEN}{word}{_CLOSE}\s*[.!:]?{_CLOSE}\s*\Z",
                )
            ),
        )
        for label, word in words.items()
    }


def _begun(answer: str, patterns: dict[Label, _Patterns]) -> Label | None:
    """The label that an answer begins with, unless it begins a sentence about the tasks.

    A colon behind the label is what was asked for. Without one, a first line that names the other label too says something
    about both, and a verb or another word behind the label something about its task.
    """
    for label, own in patterns.items():
        found = own.begins.match(answer)
        if found is None:
            continue
        rest = answer[found.end() :]
        if re.match(r"[ \t]*[:：]", rest):
            return label
        other = patterns["b" if label == "a" else "a"]
        line = rest.partition("\n")[0]
        following = rest.lstrip()
        if other.anywhere.search(line) or other.begins.match(following):
            return None
        return None if _ABOUT.match(rest) or _GOES_ON.match(rest) else label
    return None


def _stated(answer: str, patterns: dict[Label, _Patterns]) -> set[Label]:
    """The labels that statements choose."""
    return {
        label
        for label, own in patterns.items()
        for statement in own.statements
        for found in statement.finditer(answer)
        if _is_meant(answer, found)
    }


def _is_meant(answer: str, found: re.Match[str]) -> bool:
    """Whether a statement is none of a negation, a condition and a question."""
    before, said = answer[: found.start()], found[0]
    end = re.compile(r"[.!?\n]").search(answer, found.end())
    asked = end is not None and end[0] == "?"
    return not (asked or _NEGATED.search(said) or _DOUBTED.search(before))


def _lists_both(answer: str, patterns: dict[Label, _Patterns]) -> bool:
    """Whether a line begins with each label: the answer goes through the tasks before it decides."""
    return all(own.line.search(answer) for own in patterns.values())
