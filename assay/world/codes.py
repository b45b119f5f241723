"""Code names: words that stand for a city, a function or a person, which nothing in the world says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.world.functions import NamedFunction
from assay.world.geography import City
from assay.world.names import make_names
from assay.world.people import Person

CITIES = 5

Kind = Literal["city", "function", "person"]


@dataclass(frozen=True)
class Code:
    """A code and the name that it stands for."""

    code: str
    kind: Kind
    stands_for: str


def make_codes(
    rng: np.random.Generator,
    taken: set[str],
    cities: Sequence[City],
    functions: Sequence[NamedFunction],
    people: Sequence[Person],
) -> tuple[Code, ...]:
    """Codes of five cities in five countries, of every function and of one person. `taken` grows by the codes."""
    by_country: dict[str, City] = {}
    for index in rng.permutation(len(cities)):
        by_country.setdefault(cities[index].country, cities[index])
    meant: list[tuple[Kind, str]] = [("city", city.name) for city in list(by_country.values())[:CITIES]]
    meant += [("function", function.name) for function in functions]
    meant.append(("person", people[int(rng.integers(len(people)))].name))
    codes = make_names(rng, len(meant), taken)
    return tuple(Code(code, kind, name) for code, (kind, name) in zip(codes, meant, strict=True))
