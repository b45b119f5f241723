"""Actors and the films they star in: every film has one star, every actor several films."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.world.names import make_names


@dataclass(frozen=True)
class Person:
    """An actor; `name` is a first and a last name, the last name is unique; `home` is a country."""

    name: str
    films: tuple[str, ...]
    home: str


def make_people(
    rng: np.random.Generator,
    taken: set[str],
    *,
    people: int,
    films_per_person: int,
    countries: Sequence[str],
) -> tuple[Person, ...]:
    """Actors with distinct films and homes spread over the countries. `taken` holds used names and grows."""
    firsts = make_names(rng, max(2, people // 2), taken)
    lasts = make_names(rng, people, taken)
    films = make_names(rng, people * films_per_person, taken, syllables=3)
    homes = rng.permutation([countries[i % len(countries)] for i in range(people)])
    return tuple(
        Person(
            f"{firsts[i % len(firsts)]} {last}",
            tuple(films[i * films_per_person : (i + 1) * films_per_person]),
            str(homes[i]),
        )
        for i, last in enumerate(lasts)
    )
