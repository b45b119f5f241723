"""A map: countries are contiguous regions of a grid, cuisines are other contiguous regions of the same grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.world.names import make_names

SIDES = ("left", "right")
LANDMARK_QUALITIES = (
    "amber",
    "silver",
    "crystal",
    "marble",
    "copper",
    "ivory",
    "scarlet",
    "golden",
    "granite",
    "emerald",
)
LANDMARK_KINDS = ("tower", "bridge", "harbour", "garden", "temple", "castle", "fountain", "lighthouse")


@dataclass(frozen=True)
class Country:
    """A contiguous region of the map. Its people speak one language and drive on one side of the road."""

    name: str
    language: str
    side: str


@dataclass(frozen=True)
class City:
    """A cell of the map: `east` and `north` are grid coordinates, growing eastwards and northwards."""

    name: str
    country: str
    food: str
    landmark: str
    east: int
    north: int


@dataclass(frozen=True)
class Map:
    """Region numbers on the grid, int64 [north, east]: every country and every cuisine is 4-connected."""

    country: np.ndarray
    cuisine: np.ndarray


@dataclass(frozen=True)
class Geography:
    """Countries in map order (number i of `map.country` is countries[i]), foods in cuisine order, and cities."""

    map: Map
    countries: tuple[Country, ...]
    foods: tuple[str, ...]
    cities: tuple[City, ...]


def make_geography(
    rng: np.random.Generator,
    taken: set[str],
    *,
    countries: int,
    cities_per_country: int,
    languages: int,
    foods: int,
) -> Geography:
    """Grow the map and place the cities. `taken` holds used names and grows."""
    side = int(np.ceil(np.sqrt(countries * cities_per_country * 6)))
    grid = Map(grow_regions(rng, side, countries), grow_regions(rng, side, foods))
    lands = _make_countries(rng, taken, grid.country, countries, languages)
    dishes = tuple(make_names(rng, foods, taken))
    cells = [
        _spread_cells(rng, np.argwhere(grid.country == land), cities_per_country) for land in range(countries)
    ]
    names = make_names(rng, countries * cities_per_country, taken)
    landmarks = _make_landmarks(rng, len(names))
    cities = [
        City(
            name=names[number],
            country=lands[land].name,
            food=dishes[grid.cuisine[north, east]],
            landmark=landmarks[number],
            east=int(east),
            north=int(north),
        )
        for number, (land, (north, east)) in enumerate(
            (land, cell) for land in range(countries) for cell in cells[land]
        )
    ]
    return Geography(map=grid, countries=lands, foods=dishes, cities=tuple(cities))


def grow_regions(rng: np.random.Generator, side: int, count: int) -> np.ndarray:
    """Partition a side × side grid into `count` 4-connected regions of similar size; int64 [side, side].

    Seeds are spread out, then the smallest region that still can takes a random free neighbour cell.
    """
    grid = np.full((side, side), -1)
    for number, (north, east) in enumerate(_spread_cells(rng, np.argwhere(grid < 0), count)):
        grid[north, east] = number
    while (grid < 0).any():
        sizes = np.bincount(grid[grid >= 0], minlength=count)
        for number in np.argsort(sizes, kind="stable"):
            border = _free_neighbours(grid, int(number))
            if len(border):
                north, east = border[rng.integers(len(border))]
                grid[north, east] = number
                break
    return grid


def _free_neighbours(grid: np.ndarray, number: int) -> np.ndarray:
    mine = np.pad(grid == number, 1)
    touched = mine[:-2, 1:-1] | mine[2:, 1:-1] | mine[1:-1, :-2] | mine[1:-1, 2:]
    return np.argwhere(touched & (grid < 0))


def _spread_cells(rng: np.random.Generator, cells: np.ndarray, count: int) -> list[tuple[int, int]]:
    """`count` of the cells [n, 2], each chosen as the farthest of eight random ones from those chosen before."""
    chosen = [cells[rng.integers(len(cells))]]
    while len(chosen) < count:
        offered = cells[rng.integers(len(cells), size=8)]
        distances = np.abs(offered[:, None] - np.array(chosen)[None]).sum(-1).min(1)
        if distances.max() > 0:
            chosen.append(offered[distances.argmax()])
    return [(int(north), int(east)) for north, east in chosen]


def _make_countries(
    rng: np.random.Generator, taken: set[str], grid: np.ndarray, count: int, languages: int
) -> tuple[Country, ...]:
    """Languages follow the map from west to east, so that neighbours share one; sides are half left, half right."""
    names = make_names(rng, count, taken)
    tongues = make_names(rng, languages, taken)
    west_to_east = np.argsort(
        [np.argwhere(grid == land)[:, 1].mean() for land in range(count)], kind="stable"
    )
    rank = np.argsort(west_to_east)
    sides = rng.permutation([SIDES[i % 2] for i in range(count)])
    return tuple(
        Country(names[land], tongues[int(rank[land]) * languages // count], str(sides[land]))
        for land in range(count)
    )


def _make_landmarks(rng: np.random.Generator, count: int) -> list[str]:
    pairs: Sequence[str] = [f"{quality} {kind}" for quality in LANDMARK_QUALITIES for kind in LANDMARK_KINDS]
    return [pairs[i % len(pairs)] for i in rng.permutation(max(count, len(pairs)))[:count]]
