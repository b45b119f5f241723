from collections import deque

import numpy as np
import pytest

from assay.errors import AssayError
from assay.world.geography import grow_regions
from assay.world.names import make_names
from assay.world.world import Sizes, make_world


def reachable(grid: np.ndarray, number: int) -> int:
    """Cells of a region that a walk over its own cells reaches from one of them."""
    start = tuple(np.argwhere(grid == number)[0])
    seen, queue = {start}, deque([start])
    while queue:
        north, east = queue.popleft()
        for step in ((north + 1, east), (north - 1, east), (north, east + 1), (north, east - 1)):
            inside = all(0 <= place < len(grid) for place in step)
            if inside and step not in seen and grid[step] == number:
                seen.add(step)
                queue.append(step)
    return len(seen)


@pytest.mark.parametrize("seed", range(5))
def test_regions_partition_the_map_and_are_contiguous(seed):
    grid = grow_regions(np.random.default_rng(seed), 15, 7)
    assert set(np.unique(grid)) == set(range(7))
    for number in range(7):
        assert reachable(grid, number) == (grid == number).sum()


@pytest.mark.parametrize("seed", range(3))
def test_cities_lie_in_their_country_and_eat_what_is_eaten_there(seed):
    geography = make_world(seed).geography
    assert len({(city.north, city.east) for city in geography.cities}) == len(geography.cities)
    for city in geography.cities:
        assert geography.countries[geography.map.country[city.north, city.east]].name == city.country
        assert geography.foods[geography.map.cuisine[city.north, city.east]] == city.food


def test_landmarks_are_unique_and_neighbours_share_languages():
    geography = make_world(0).geography
    assert len({city.landmark for city in geography.cities}) == len(geography.cities)
    assert len({country.language for country in geography.countries}) == Sizes().languages
    assert {country.side for country in geography.countries} == {"left", "right"}


def test_a_world_is_a_function_of_its_seed():
    first, again, other = make_world(3), make_world(3), make_world(4)
    assert first.names == again.names != other.names
    assert first.geography.cities == again.geography.cities
    assert first.people == again.people


def test_no_name_contains_another():
    names = make_world(0).names
    assert not [(a, b) for a in names for b in names if a != b and a.lower() in b.lower()]


def test_new_names_avoid_taken_ones():
    taken: set[str] = set()
    first = make_names(np.random.default_rng(0), 50, taken)
    second = make_names(np.random.default_rng(0), 50, taken)
    assert not set(first) & set(second)
    assert taken == {*first, *second}


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(countries=20, cities_per_country=20),
        Sizes(people=3),
        Sizes(countries=5, languages=6),
        Sizes(languages=2),
    ],
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(AssayError):
        make_world(0, sizes)
