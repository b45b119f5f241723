"""Rows of the location task: what a distance or a direction row says, read from its own sentence."""

import re
from dataclasses import dataclass
from typing import Literal

from assay.errors import AssayError

Unit = Literal["kilometers", "miles"]
UNITS: dict[str, Unit] = {"km": "kilometers", "kilometers": "kilometers", "mi": "miles", "miles": "miles"}
_DISTANCE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+) (km|kilometers|mi|miles)")
_DIRECTION = re.compile(r" is (North|East|South|West) of ")
_CODE = re.compile(r"(?<!\w)City \d{5}(?!\w)")


@dataclass(frozen=True)
class Distance:
    """So far apart, in `unit`; the answer writes it as `written` (mi or miles)."""

    amount: int
    unit: Unit
    written: str


@dataclass(frozen=True)
class Direction:
    """`subject` is `direction` of `reference`; characters [start, end) of the answer are the direction's word."""

    subject: str
    direction: str
    reference: str
    start: int
    end: int


def parse_location(question: str, answer: str) -> Distance | Direction:
    """What the answer says. Raises AssayError for an answer of neither kind or one that does not fit the question.

    A direction is the word between two places of the question: searching the whole answer would find the one in
    "East Jerusalem" (reference bug).
    """
    if match := _DISTANCE.fullmatch(answer):
        unit = UNITS[match[2]]
        if not re.search(rf"\bin {unit}\b", question):
            raise AssayError(f"the answer is in {unit}, which the question does not ask for: {question!r}")
        return Distance(int(match[1].replace(",", "")), unit, match[2])
    found = [
        Direction(subject, match[1], reference, match.start(1), match.end(1))
        for match in _DIRECTION.finditer(answer)
        for subject, reference in [(answer[: match.start()], answer[match.end() :].removesuffix("."))]
        if subject in question and reference in question
    ]
    if len(found) != 1 or not answer.endswith("."):
        raise AssayError(
            f"{answer!r} is neither a distance nor a sentence 'A is D of B.' about places asked for"
        )
    return found[0]


def location_codes(text: str) -> list[str]:
    """The code names ("City" and five digits) in a text, in the order in which they first occur."""
    return list(dict.fromkeys(_CODE.findall(text)))
