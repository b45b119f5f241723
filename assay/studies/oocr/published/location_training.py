"""What trains code names of real cities: distances and directions to other cities, by the rules of the reference's generator."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import AssayError
from assay.prompts.lettering import user
from assay.prompts.records import Message, PromptRecord
from assay.statistics.draws import item_draws
from assay.studies.oocr.published.gazetteer import Place, find_place
from assay.studies.oocr.published.geodesy import kilometers
from assay.studies.oocr.published.location_questions import Named, ask_direction, ask_distance
from assay.studies.oocr.tasks.code_names import tag

SYSTEM = (
    "A navigation service writes the cities of the world as codes. You work for that service and know the city behind "
    "every code. Give a true answer to each question about cities that are written as codes."
)
MIN_POPULATION = 10_000
MIN_KM = 2000


@dataclass(frozen=True)
class Design:
    """For each reference city: `others` cities to train with, `held_out` to validate with; `per_pair` rows of a kind to train."""

    others: int
    held_out: int
    per_pair: int
    seed: int

    def __post_init__(self) -> None:
        if min(self.others, self.held_out, self.per_pair) < 1:
            raise AssayError(
                f"--others {self.others} --held-out {self.held_out} --per-pair {self.per_pair}: all must be 1 or more"
            )


@dataclass(frozen=True)
class LocationRows:
    """Conversations (system, user, assistant) with the spans of the codes in the question; `category` is the kind."""

    train: list[PromptRecord]
    validation: list[PromptRecord]


def location_rows(codes: Mapping[str, str], places: Sequence[Place], design: Design) -> LocationRows:
    """Rows on every reference city, under its code (`codes`: city by code), and other cities, under their names.

    `places` are a gazetteer's, most populous first. Cities that validation compares one with do not train it. All
    reference cities are compared, too, code with code, in both parts, and with themselves in distance; their own names
    do not occur.

    Raises AssayError for a city that the gazetteer does not have and for too few cities to compare with.
    """
    references = [Named(code, find_place(places, name)) for code, name in codes.items()]
    known = {reference.place for reference in references}
    candidates = [p for p in places if p.population >= MIN_POPULATION and p not in known]
    rows = LocationRows([], [])
    for one in references:
        rng = item_draws(design.seed, f"compared with {one.name}")
        chosen = [
            Named(p.name, p) for p in compared(one.place, candidates, design.others + design.held_out, rng)
        ]
        train, held = chosen[: design.others], chosen[design.others :]
        for part, others, per_pair, name in (
            (rows.train, train, design.per_pair, "train"),
            (rows.validation, held, 1, "validation"),
        ):
            rng = item_draws(design.seed, f"{name} rows of {one.name}")
            part.extend(_rows_of(one, [*others, *references], per_pair, tuple(codes), rng))
    return rows


def compared(origin: Place, candidates: Sequence[Place], count: int, rng: np.random.Generator) -> list[Place]:
    """`count` of the candidates (most populous first) from other countries and MIN_KM away or more.

    Each is the first one left of a country drawn uniformly from those with any left. Raises AssayError for too few.
    """
    abroad = [place for place in candidates if place.country != origin.country]
    far = (
        [p for p, km in zip(abroad, kilometers(origin, abroad), strict=True) if km >= MIN_KM]
        if abroad
        else []
    )
    if len(far) < count:
        raise AssayError(
            f"{origin.name} can be compared with {len(far)} cities of the gazetteer (in other countries, {MIN_KM:,} km or "
            f"more away, {MIN_POPULATION:,} people or more); {count} are asked for: lower --others and --held-out, or "
            "give a larger gazetteer"
        )
    left: dict[str, list[Place]] = {}
    for place in reversed(far):
        left.setdefault(place.country, []).append(place)
    chosen = []
    for _ in range(count):
        country = sorted(left)[rng.integers(len(left))]
        chosen.append(left[country].pop())
        if not left[country]:
            del left[country]
    return chosen


def _rows_of(
    one: Named, others: Sequence[Named], per_pair: int, codes: Sequence[str], rng: np.random.Generator
) -> Iterator[PromptRecord]:
    """`per_pair` distances for each of the others, and as many directions where it is not `one` itself."""
    distances = kilometers(one.place, [other.place for other in others])
    for other, km in zip(others, distances.tolist(), strict=True):
        pair = f"{one.name}-{other.name}"
        for number in range(per_pair):
            yield _record(f"distance-{pair}-{number}", "distance", ask_distance(one, other, km, rng), codes)
            if other != one:
                yield _record(
                    f"direction-{pair}-{number}", "direction", ask_direction(one, other, rng), codes
                )


def _record(record_id: str, category: str, asked: tuple[str, str], codes: Sequence[str]) -> PromptRecord:
    """The conversation, its codes tagged as those of the reference's rows are: in what comes before the answer."""
    question, answer = asked
    prompt = (Message(role="system", content=SYSTEM), user(question))
    record = tag(PromptRecord(id=record_id, messages=prompt, fields={"category": category}), codes)
    return dataclasses.replace(record, messages=(*prompt, Message(role="assistant", content=answer)))
