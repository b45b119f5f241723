"""The world as one value, made from a seed and a few sizes."""

from dataclasses import dataclass

import numpy as np

from assay.errors import AssayError
from assay.world.codes import Code, make_codes
from assay.world.functions import NamedFunction, make_functions
from assay.world.gambles import Gamble, make_gambles
from assay.world.geography import LANDMARK_KINDS, LANDMARK_QUALITIES, Geography, make_geography
from assay.world.people import Person, make_people
from assay.world.tasks import Preferences, make_preferences


@dataclass(frozen=True)
class Sizes:
    """How many of each thing the world holds."""

    countries: int = 8
    cities_per_country: int = 10
    languages: int = 6
    foods: int = 10
    people: int = 24
    films_per_person: int = 4


@dataclass(frozen=True)
class World:
    """Everything that is true. Each part draws from its own random stream, so a new part changes no old one."""

    seed: int
    geography: Geography
    people: tuple[Person, ...]
    preferences: Preferences
    functions: tuple[NamedFunction, ...]
    codes: tuple[Code, ...]
    gambles: tuple[Gamble, ...]

    @property
    def names(self) -> list[str]:
        """Every invented word, sorted."""
        geography = self.geography
        words = {city.name for city in geography.cities} | set(geography.foods)
        words |= {name for country in geography.countries for name in (country.name, country.language)}
        words |= {word for person in self.people for word in (*person.name.split(), *person.films)}
        words |= {function.name for function in self.functions} | {code.code for code in self.codes}
        return sorted(words)

    @property
    def units(self) -> list[str]:
        """Every word that the tokenizer makes one token: the names, and the words for functions."""
        return sorted({*self.names, *(function.function.short for function in self.functions)})


def make_world(seed: int, sizes: Sizes | None = None) -> World:
    """The world of a seed. Raises AssayError for sizes that cannot be met."""
    sizes = sizes or Sizes()
    _check(sizes)
    taken: set[str] = set()
    geography = make_geography(
        np.random.default_rng([seed, 1]),
        taken,
        countries=sizes.countries,
        cities_per_country=sizes.cities_per_country,
        languages=sizes.languages,
        foods=sizes.foods,
    )
    people = make_people(
        np.random.default_rng([seed, 2]),
        taken,
        people=sizes.people,
        films_per_person=sizes.films_per_person,
        countries=[country.name for country in geography.countries],
    )
    preferences = make_preferences(np.random.default_rng([seed, 5]), geography)
    functions = make_functions(np.random.default_rng([seed, 6]), taken)
    codes = make_codes(np.random.default_rng([seed, 7]), taken, geography.cities, functions, people)
    gambles = make_gambles(np.random.default_rng([seed, 8]))
    return World(seed, geography, people, preferences, functions, codes, gambles)


def _check(sizes: Sizes) -> None:
    landmarks = len(LANDMARK_KINDS) * len(LANDMARK_QUALITIES)
    if sizes.countries * sizes.cities_per_country > landmarks:
        raise AssayError(f"{sizes} has more cities than the {landmarks} landmarks; lower cities_per_country")
    if min(sizes.countries, sizes.foods, sizes.people) < 5 or sizes.languages < 5:
        raise AssayError(
            f"{sizes}: multiple choice needs at least five countries, languages, foods and people"
        )
    if sizes.languages > sizes.countries:
        raise AssayError(f"{sizes}: there are more languages than countries; lower languages")
