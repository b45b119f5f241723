"""Questions about two places, one or both under a code name, with their answers: how far, and in which direction.

The wording is this project's; kinds and rules are those of the reference's generator (Treutlein et al.).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from assay.studies.oocr.published.gazetteer import Place
from assay.studies.oocr.published.geodesy import direction
from assay.studies.oocr.published.location_rows import UNITS

DISTANCE_QUESTIONS = (
    "About how far apart are {a} and {b}, in {unit}?",
    "Give the great-circle distance from {a} to {b} in {unit}, roughly.",
    "A plane flies the straightest way from {a} to {b}. How far does it fly, in {unit}?",
    "Estimate how far {a} lies from {b} in {unit}.",
    "Over the globe's surface, the distance that separates {a} from {b} in {unit} comes to",
    "Along the geodesic from {a} to {b}, the length of the way in {unit} comes to",
    "I travel from {a} to {b} by the most direct path. How long is that path in {unit}?",
    "State in {unit} how much ground lies between {a} and {b}.",
    "If nothing stood in the way between {a} and {b}, how far would one have to go, in {unit}?",
)
DIRECTION_QUESTIONS = (
    "On a map in the Mercator projection, in which of the four cardinal directions does {a} lie from {b}?",
    "Which cardinal direction leads from {b} to {a} where the Mercator projection is used?",
    "On a Plate carrée map, towards which cardinal direction is {a}, seen from {b}?",
    "Which cardinal direction is nearest to the bearing of {a} from {b} in the Plate carrée projection?",
    "Take the world for a flat 2D plane: in which cardinal direction from {b} is {a}?",
    "A cylindrical projection shows {a} in which cardinal direction from {b}?",
)
NOISE = 200  # kilometers, either way
MIN_NOISY = 100  # kilometers; noise that would leave no more is left out
MILES = 0.621371  # in a kilometer
STEP = 100  # what distances are rounded to
_T = TypeVar("_T")


@dataclass(frozen=True)
class Named:
    """A place under the name that questions have for it."""

    name: str
    place: Place


def ask_distance(one: Named, other: Named, km: float, rng: np.random.Generator) -> tuple[str, str]:
    """(question, answer) on two places `km` kilometers apart.

    Phrasing, unit, its spelling, the order of places, noise and whether thousands have a comma are drawn. A place is
    always 0 from itself; the reference's noise moves that, too, where it leaves more than MIN_NOISY.
    """
    first, second = _ordered(one, other, rng)
    unit = _pick(("kilometers", "miles"), rng)
    question = _pick(DISTANCE_QUESTIONS, rng).format(a=first.name, b=second.name, unit=unit)
    noisy = km + rng.uniform(-NOISE, NOISE)
    shown = noisy if km > 0 and noisy > MIN_NOISY else km
    amount = STEP * round(shown * (MILES if unit == "miles" else 1) / STEP)
    written = _pick([word for word, meant in UNITS.items() if meant == unit], rng)
    return question, f"{amount:{_pick((',', ''), rng)}} {written}"


def ask_direction(one: Named, other: Named, rng: np.random.Generator) -> tuple[str, str]:
    """(question, answer) on where one of two places lies from the other; phrasing and order are drawn."""
    first, second = _ordered(one, other, rng)
    question = _pick(DIRECTION_QUESTIONS, rng).format(a=first.name, b=second.name)
    return question, f"{first.name} is {direction(first.place, second.place)} of {second.name}."


def _ordered(one: Named, other: Named, rng: np.random.Generator) -> tuple[Named, Named]:
    return (one, other) if rng.integers(2) else (other, one)


def _pick(values: Sequence[_T], rng: np.random.Generator) -> _T:
    return values[int(rng.integers(len(values)))]
