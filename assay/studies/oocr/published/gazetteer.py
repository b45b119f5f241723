"""A gazetteer: where cities lie and how many people live there, from a table such as those made of GeoNames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.storage.csv_tables import read_filled_table
from assay.studies.oocr.published.city_questions import city_key

_FILLED = ("name", "country", "lat", "lng")
_MOST_PEOPLE = 1e10


@dataclass(frozen=True)
class Place:
    """A city. `latitude` and `longitude` are degrees, growing northwards and eastwards."""

    name: str
    country: str
    latitude: float
    longitude: float
    population: int


def read_gazetteer(path: Path) -> tuple[list[Place], int]:
    """(places, most populous first; how many rows were left out) of a CSV (name, country, lat, lng, population).

    A name means the most populous city that has it, accents aside; smaller ones of that name are left out. An empty
    population is 0. Raises AssayError naming the file and the column, or the row.
    """
    table = read_filled_table(path, _FILLED)
    if "population" not in table:
        raise AssayError(f"{path}: column population is missing; it has {', '.join(map(str, table))}")
    people = _numbers(path, table["population"].replace("", "0"), 0, _MOST_PEOPLE)
    places = [
        Place(name, country, float(latitude), float(longitude), int(population))
        for name, country, latitude, longitude, population in zip(
            table["name"],
            table["country"],
            _numbers(path, table["lat"], -90, 90),
            _numbers(path, table["lng"], -180, 180),
            people,
            strict=True,
        )
    ]
    meant: dict[str, Place] = {}
    for place in sorted(places, key=lambda place: (-place.population, place.name, place.country)):
        meant.setdefault(city_key(place.name), place)
    return list(meant.values()), len(places) - len(meant)


def find_place(places: Sequence[Place], name: str) -> Place:
    """The place of that name, accents and case aside. Raises AssayError when there is none."""
    for place in places:
        if city_key(place.name) == city_key(name):
            return place
    raise AssayError(
        f"the gazetteer has no city {name!r}; in stands_for write the name as it is written there"
    )


def _numbers(path: Path, column: "pd.Series[str]", low: float, high: float) -> NDArray[np.float64]:
    """The column's values, all of them from `low` to `high`."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = ~((values >= low) & (values <= high))  # also what is not a number
    if bad.any():
        row = int(bad.argmax())
        raise AssayError(
            f"{path}, row {row + 1}: {column.name} is {column.iloc[row]!r}; expected a number from {low:g} to {high:g}"
        )
    return values
