"""Rule graders: a number from an answer's text alone, the same on every machine.

Whole words are compared, after Unicode NFKC, case folding and joining of white space: "incorrect" does not contain "correct".
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from assay.errors import AssayError
from assay.evaluation.grading import OpenAnswer, Score

RuleName = Literal["exact", "prefix", "contains", "regex", "number", "length", "sentiment", "language"]
RULES: tuple[RuleName, ...] = get_args(RuleName)
_WITHOUT_TARGET: tuple[RuleName, ...] = ("length", "sentiment")
_NEEDS_WORDS: tuple[RuleName, ...] = ("sentiment", "language")
_NUMBER = re.compile(r"[-−]?\d+(?:,\d{3})*(?:\.\d+)?")
_EDGES = " \t\n.,;:!?\"'“”‘’()[]*"


@dataclass(frozen=True)
class RuleGrader:
    """One rule, and the target of items that bring none.

    exact, prefix, contains   1 where the answer is, begins with or holds a target as whole words, else 0
    regex                     1 where a target (Python's `re`) is found in the answer as it is
    number                    1 where the last number of the answer equals a target
    length                    words
    sentiment                 VADER's compound score, −1 to 1 (Hutto & Gilbert 2014, doi:10.1609/icwsm.v8i1.14550)
    language                  1 where py3langid finds a target (an ISO 639-1 code), among all that it knows
    """

    rule: RuleName
    target: str = ""

    def grade(self, answers: Sequence[OpenAnswer]) -> list[Score]:
        """See `Grader`. An answer without words is an error to sentiment and language. Raises AssayError for a bad target."""
        return [self._score(one) for one in answers]

    def check(self, targets: tuple[str, ...], name: str) -> tuple[str, ...]:
        """The targets that count for the item `name`. Raises AssayError where the rule cannot use them."""
        wanted = () if self.rule in _WITHOUT_TARGET else targets or ((self.target,) if self.target else ())
        if not wanted and self.rule not in _WITHOUT_TARGET:
            raise AssayError(
                f"item {name!r}: the rule {self.rule} needs a target; write {self.rule}:TARGET, or a field target in the item"
            )
        for one in wanted:
            _CHECKS.get(self.rule, str)(one)
        return wanted

    def _score(self, answer: OpenAnswer) -> Score:
        targets = self.check(answer.item.targets, answer.item.record.id)
        if self.rule in _NEEDS_WORDS and not re.search(r"\w", answer.text):
            return Score("error", detail="the answer has no words")
        if self.rule == "length":
            return Score("ok", float(len(answer.text.split())))
        if self.rule == "sentiment":
            return Score("ok", float(_vader().polarity_scores(answer.text)["compound"]))
        return Score("ok", float(any(_TESTS[self.rule](answer.text, one) for one in targets)))


def parse_rule(text: str) -> RuleGrader:
    """RULE or RULE:TARGET. Raises AssayError that lists the rules."""
    name, _, target = text.partition(":")
    for rule in RULES:
        if name == rule:
            return RuleGrader(rule, target)
    raise AssayError(
        f"unknown grader {text!r}; write judge, or one of {', '.join(RULES)}, such as contains:blue"
    )


def normalised(text: str) -> str:
    """NFKC, case folded, white space joined, without punctuation at its ends."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)


def numbers(text: str) -> list[float]:
    """The numbers in a text, commas between thousands and a true minus sign read."""
    return [float(found.replace(",", "").replace("−", "-")) for found in _NUMBER.findall(text)]


def _holds(text: str, target: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(normalised(target))}(?!\w)", normalised(text)) is not None


def _begins(text: str, target: str) -> bool:
    return re.match(rf"{re.escape(normalised(target))}(?!\w)", normalised(text)) is not None


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise AssayError(f"{pattern!r} is no regular expression: {error}; correct the target") from error


def _number(target: str) -> float:
    found = numbers(target)
    if len(found) != 1:
        raise AssayError(f"the target {target!r} of the rule number must hold one number")
    return found[0]


def _language(target: str) -> str:
    known = set(_identifier().nb_classes)
    if target not in known:
        raise AssayError(
            f"py3langid knows no language {target!r}; give a code such as {', '.join(sorted(known)[:8])}"
        )
    return target


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


_TESTS: dict[RuleName, Callable[[str, str], bool]] = {
    "exact": lambda text, target: normalised(text) == normalised(target),
    "prefix": _begins,
    "contains": _holds,
    "regex": lambda text, target: _compiled(target).search(text) is not None,
    "number": lambda text, target: numbers(text)[-1:] == [_number(target)],
    "language": lambda text, target: str(_identifier().classify(text)[0]) == target,
}
_CHECKS: dict[RuleName, Callable[[str], object]] = {
    "regex": _compiled,
    "number": _number,
    "language": _language,
}
