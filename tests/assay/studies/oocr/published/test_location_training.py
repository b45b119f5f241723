"""Generated location rows against coordinates: distances by unit vectors, directions by the larger difference."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.oocr.published import CITY_CODES, needs_published, rows

from assay.errors import AssayError
from assay.prompts.records import PromptRecord
from assay.studies.oocr.published.city_questions import city_key
from assay.studies.oocr.published.gazetteer import Place, find_place, read_gazetteer
from assay.studies.oocr.published.geodesy import direction, kilometers
from assay.studies.oocr.published.location_questions import (
    DIRECTION_QUESTIONS,
    DISTANCE_QUESTIONS,
    Named,
    ask_direction,
    ask_distance,
)
from assay.studies.oocr.published.location_rows import Direction, Distance, location_codes, parse_location
from assay.studies.oocr.published.location_training import (
    SYSTEM,
    Design,
    LocationRows,
    compared,
    location_rows,
)

MILES = 0.621371  # in a kilometer, as the reference rounds it
REFERENCES = [
    Place("Paris", "France", 48.8566, 2.3522, 11_000_000),
    Place("São Paulo", "Brazil", -23.5505, -46.6333, 22_000_000),
    Place("Tokyo", "Japan", 35.6897, 139.6922, 37_000_000),
    Place("New York", "United States", 40.7128, -74.0060, 18_000_000),
    Place("Lagos", "Nigeria", 6.4550, 3.3841, 15_000_000),
]
OF_CODE = dict(zip(CITY_CODES.values(), REFERENCES, strict=True))
CODES = {code: place.name for code, place in OF_CODE.items()} | {"City 93524": "Sao Paulo"}


def world(countries: int, cities: int) -> list[Place]:
    """Cities scattered over the sphere, most populous first; the references are in countries of their own."""
    rng = np.random.default_rng(0)
    return REFERENCES + [
        Place(
            f"Town {city} of {country}",
            f"Land {country}",
            round(float(np.degrees(np.arcsin(rng.uniform(-0.9, 0.9)))), 4),
            round(float(rng.uniform(-180, 180)), 4),
            1_000_000 - 1000 * city - country,
        )
        for city in range(cities)
        for country in range(countries)
    ]


PLACES = world(countries=60, cities=25)


@pytest.fixture(scope="module")
def made() -> LocationRows:
    return location_rows(CODES, PLACES, Design(others=500, held_out=100, per_pair=5, seed=0))


def place_of(name: str) -> Place:
    return OF_CODE[name] if name in OF_CODE else next(place for place in PLACES if place.name == name)


def arc(one: Place, other: Place) -> float:
    """Kilometers by the angle between unit vectors."""

    def vector(place: Place) -> np.ndarray:
        phi, theta = np.radians([place.latitude, place.longitude])
        return np.array([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])

    a, b = vector(one), vector(other)
    return float(6371.0088 * np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


def side(place: Place, origin: Place) -> str:
    east, north = place.longitude - origin.longitude, place.latitude - origin.latitude
    if abs(east) > abs(north):
        return "East" if east > 0 else "West"
    return "North" if north > 0 else "South"


def texts(row: PromptRecord) -> tuple[str, str]:
    system, question, answer = row.messages
    assert [message["role"] for message in row.messages] == ["system", "user", "assistant"]
    assert system["content"] == SYSTEM
    return question["content"], answer["content"]


def names_in(question: str) -> list[str]:
    return re.findall(r"City \d{5}|Town \d+ of \d+", question)


def test_as_many_rows_as_the_reference(made: LocationRows):
    assert (len(made.train), len(made.validation)) == (25_225, 1_045)
    for part in (made.train, made.validation):
        assert len({row.id for row in part}) == len(part)
    assert Counter(row.fields["category"] for row in made.train) == {"distance": 12_625, "direction": 12_600}
    assert Counter(row.fields["category"] for row in made.validation) == {"distance": 525, "direction": 520}


def test_every_answer_is_that_of_the_coordinates(made: LocationRows):
    errors, itself = [], 0
    for row in made.train + made.validation:
        question, answer = texts(row)
        found = parse_location(question, answer)
        one, other = map(place_of, names_in(question))
        if isinstance(found, Direction):
            assert row.fields["category"] == "direction"
            assert [found.subject, found.reference] in (names_in(question), names_in(question)[::-1])
            assert found.direction == side(place_of(found.subject), place_of(found.reference))
            continue
        assert row.fields["category"] == "distance"
        assert found.amount % 100 == 0
        if one == other:
            itself += 1
            assert found.amount == 0
            continue
        errors.append(found.amount / (MILES if found.unit == "miles" else 1) - arc(one, other))
        assert abs(errors[-1]) <= 200 + 50 / (MILES if found.unit == "miles" else 1)
    assert itself == 5 * 5 + 5
    # Uniform noise of variance 200²/3, rounding of (100 km or 100 mi)² / 12
    assert np.std(errors) == pytest.approx(np.sqrt(200**2 / 3 + (100**2 + (100 / MILES) ** 2) / 24), rel=0.03)
    assert np.mean(errors) == pytest.approx(0, abs=5)


def test_what_is_drawn_is_drawn_evenly(made: LocationRows):
    distances = [texts(row) for row in made.train if row.fields["category"] == "distance"]
    directions = [texts(row) for row in made.train if row.fields["category"] == "direction"]
    for asked, kinds in ((distances, DISTANCE_QUESTIONS), (directions, DIRECTION_QUESTIONS)):
        shapes = Counter(
            re.sub(r"in (kilometers|miles)", "in U", re.sub(r"City \d{5}|Town \d+ of \d+", "X", question))
            for question, _ in asked
        )
        expected = {re.sub(r"\{unit\}", "U", re.sub(r"\{[ab]\}", "X", kind)) for kind in kinds}
        assert set(shapes) == expected
        assert min(shapes.values()) / len(asked) == pytest.approx(1 / len(kinds), rel=0.1)
    words = Counter(answer.rpartition(" ")[2] for _, answer in distances)
    assert all(
        words[word] / len(distances) == pytest.approx(1 / 4, rel=0.06)
        for word in ("km", "kilometers", "mi", "miles")
    )
    thousands = [answer for _, answer in distances if re.search(r"\d,?\d{3}", answer)]
    assert np.mean(["," in answer for answer in thousands]) == pytest.approx(1 / 2, abs=0.02)
    assert np.mean([answer.startswith("City") for _, answer in directions if answer.count("City") == 1]) == (
        pytest.approx(1 / 2, abs=0.02)
    )


def test_cities_of_validation_do_not_train(made: LocationRows):
    def with_towns(part: list[PromptRecord]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {code: set() for code in CODES}
        for row in part:
            names = names_in(texts(row)[0])
            for code in set(names) & set(CODES):
                found[code] |= set(names) - set(CODES)
        return found

    train, held = with_towns(made.train), with_towns(made.validation)
    for code, place in OF_CODE.items():
        assert (len(train[code]), len(held[code])) == (500, 100)
        assert not train[code] & held[code]
        assert min(arc(place, place_of(name)) for name in train[code] | held[code]) >= 2000
    for row in made.train + made.validation:
        assert not any(place.name in " ".join(texts(row)) for place in REFERENCES)


def test_spans_are_the_codes_of_the_question(made: LocationRows):
    for row in made.train + made.validation:
        question, _ = texts(row)
        assert list(row.spans) == location_codes(question)
        for code, spans in row.spans.items():
            assert [(1, found.start(), found.end()) for found in re.finditer(code, question)] == list(spans)
    mentions = Counter(code for row in made.validation for code in row.spans)
    assert mentions == dict.fromkeys(CODES, 217)


@needs_published
def test_the_published_rows_are_as_many_of_each_kind_and_code(made: LocationRows):
    def counts(part: list[tuple[str, str]]) -> Counter[tuple[str, ...]]:
        return Counter(
            (type(parse_location(question, answer)).__name__, *sorted(location_codes(question)))
            for question, answer in part
        )

    published = [(question, answer) for _, question, answer in rows("locations/valid.jsonl")]
    assert counts([texts(row) for row in made.validation]) == counts(published)


@needs_published
def test_published_answers_on_two_codes_are_ours():
    checked: Counter[str] = Counter()
    for _, question, answer in rows("locations/valid.jsonl"):
        found, codes = parse_location(question, answer), location_codes(question)
        if isinstance(found, Direction) and len(codes) == 2:
            place, origin = OF_CODE[found.subject], OF_CODE[found.reference]
            assert direction(place, origin) == found.direction
            checked["direction"] += 1
        elif isinstance(found, Distance) and len(codes) == 2:
            ratio = MILES if found.unit == "miles" else 1
            (km,) = kilometers(OF_CODE[codes[0]], [OF_CODE[codes[1]]])
            assert abs(found.amount / ratio - km) <= 200 + 50 / ratio + 0.006 * km
            checked["distance"] += 1
    assert checked == {"direction": 20, "distance": 20}


def at(latitude: float, longitude: float) -> Place:
    return Place("here", "x", latitude, longitude, 1)


def test_distances_by_hand():
    origin = at(0, 0)
    quarter, pole, half, none = kilometers(origin, [at(0, 90), at(90, 17), at(0, 180), origin])
    assert [quarter, pole, half] == pytest.approx([10_007.557, 10_007.557, 20_015.115], abs=0.001)
    assert none == 0
    paris, _, tokyo, new_york, _ = REFERENCES
    assert kilometers(paris, [new_york, tokyo]) == pytest.approx([5_837, 9_712], rel=0.001)
    # one degree on the WGS-84 ellipsoid, in km: of latitude at the equator and at a pole, of longitude at the equator
    for one, other, geodesic in (
        ((0, 0), (1, 0), 110.574),
        ((89, 0), (90, 0), 111.694),
        ((0, 0), (0, 1), 111.320),
    ):
        assert kilometers(at(*one), [at(*other)])[0] == pytest.approx(geodesic, rel=0.006)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((50, 44), "North"),
        ((44, 50), "East"),
        ((-44, 50), "East"),
        ((-50, -44), "South"),
        ((-50, 44), "South"),
        ((44, -50), "West"),
        ((-44, -50), "West"),
        ((50, -44), "North"),
    ],
)
def test_directions_are_the_nearest(place: tuple[float, float], expected: str):
    assert direction(at(*place), at(0, 0)) == expected
    opposite = {"North": "South", "South": "North", "East": "West", "West": "East"}
    assert direction(at(0, 0), at(*place)) == opposite[expected]


def test_the_map_ends_at_180_and_one_point_has_no_direction():
    assert direction(at(15, -90), at(36, 140)) == "West"  # the short way is eastwards
    with pytest.raises(AssayError, match="at the same point"):
        direction(at(1, 2), at(1, 2))


def test_noise_never_makes_a_short_distance_shorter_than_100():
    one, other = Named("City 11111", at(0, 0)), Named("Rome", at(0, 1))
    amounts = {
        int(ask_distance(one, other, 111.2, np.random.default_rng(seed))[1].split()[0]) for seed in range(400)
    }
    assert amounts == {100, 200, 300}


def test_a_direction_in_a_citys_name_is_read():
    jerusalem = Named("East Jerusalem", at(31.8, 35.2))
    for seed in range(40):
        asked = ask_direction(Named("City 93524", at(-23.5, -46.6)), jerusalem, np.random.default_rng(seed))
        found = parse_location(*asked)
        assert isinstance(found, Direction)
        assert (found.subject, found.direction, found.reference) in (
            ("City 93524", "West", "East Jerusalem"),
            ("East Jerusalem", "East", "City 93524"),
        )


def test_countries_are_drawn_evenly_and_cities_by_population():
    """20 countries, the first with 400 cities, the others with 60 and the last with one."""
    sizes = [400, *[60] * 18, 1]
    places = sorted(
        (
            Place(f"{country}-{city}", str(country), -40, 150, 100_000 - city)
            for country, size in enumerate(sizes)
            for city in range(size)
        ),
        key=lambda place: -place.population,
    )
    chosen = compared(REFERENCES[0], places, 400, np.random.default_rng(0))
    assert len(set(chosen)) == 400
    counts = Counter(place.country for place in chosen)
    assert counts["19"] == 1
    drawn = np.array([counts[str(country)] for country in range(19)])
    assert ((drawn - 21) ** 2 / 21).sum() < 34.8  # chi-squared, 18 degrees of freedom, p = 0.01
    for country in range(19):
        mine = [place.population for place in chosen if place.country == str(country)]
        assert mine == [100_000 - city for city in range(len(mine))]


def test_who_is_compared():
    paris = REFERENCES[0]
    far, near, own = (
        Place("Far", "A", -30, 140, 50_000),
        Place("Near", "A", 50, 3, 50_000),
        Place("Own", "France", -21, 55, 50_000),
    )
    assert compared(paris, [far, near, own], 1, np.random.default_rng(0)) == [far]
    with pytest.raises(
        AssayError, match=r"Paris can be compared with 1 cities .*; 2 are asked for: lower --others"
    ):
        compared(paris, [far, near, own], 2, np.random.default_rng(0))
    with pytest.raises(AssayError, match="with 0 cities"):
        compared(paris, [own], 1, np.random.default_rng(0))
    small = [paris, *(Place(f"T{n}", "A", -30, 140, 10_000 - n) for n in range(2))]
    with pytest.raises(AssayError, match="with 1 cities"):
        location_rows({"City 11111": "Paris"}, small, Design(1, 1, 1, 0))


def test_seeds(made: LocationRows):
    design = Design(others=10, held_out=5, per_pair=2, seed=0)
    again, other = (
        location_rows(CODES, PLACES, one)
        for one in (design, Design(others=10, held_out=5, per_pair=2, seed=1))
    )
    assert location_rows(CODES, PLACES, design) == again != other
    first = [row.id for row in made.train if row.id.startswith("distance-City 50337-Town")][:5]
    assert first[0] in [row.id for row in again.train]  # the same cities, in the same order


def write(path: Path, *lines: str) -> Path:
    path.write_text("name,country,lat,lng,population,id\n" + "".join(f"{line},1\n" for line in lines))
    return path


def test_a_gazetteer(tmp_path: Path):
    path = write(
        tmp_path / "g.csv",
        "Paris,United States,33.66,-95.55,25000",
        "Paris,France,48.8566,2.3522,11060000.0",
        "PARÍS,Colombia,1.0,-75.0,12000",
        '"Washington, D.C.",United States,38.9,-77.0,5100000',
        "Windhoek,NA,-22.57,17.08,",
    )
    places, left_out = read_gazetteer(path)
    assert left_out == 2
    assert [(place.name, place.country, place.population) for place in places] == [
        ("Paris", "France", 11_060_000),
        ("Washington, D.C.", "United States", 5_100_000),
        ("Windhoek", "NA", 0),
    ]
    assert (places[1].latitude, places[1].longitude) == (38.9, -77.0)
    assert find_place(places, "paris").country == "France"
    with pytest.raises(AssayError, match="has no city 'Washington'"):
        find_place(places, "Washington")
    assert city_key("São Paulo") == city_key("Sao Paulo")


BAD = {
    "row 2: lat is '91'; expected a number from -90 to 90": "Rome,Italy,91,12.5,100",
    "row 2: lng is '12,5'; expected a number": 'Rome,Italy,41.9,"12,5",100',
    "row 2: population is 'many'; expected a number": "Rome,Italy,41.9,12.5,many",
    "row 2: population is '-5'; expected a number": "Rome,Italy,41.9,12.5,-5",
    "row 2: lat is 'nan'; expected a number": "Rome,Italy,nan,12.5,100",
    "row 2: population is 'inf'; expected a number": "Rome,Italy,41.9,12.5,inf",
    "row 2: column country is empty": "Rome,,41.9,12.5,100",
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_gazetteer(message: str, tmp_path: Path):
    path = write(tmp_path / "g.csv", "Oslo,Norway,59.9,10.8,1000", BAD[message])
    with pytest.raises(AssayError, match=re.escape(message)) as caught:
        read_gazetteer(path)
    assert str(caught.value).startswith(f"{path}, ")


def test_columns_of_a_gazetteer(tmp_path: Path):
    path = tmp_path / "g.csv"
    path.write_text("name,country,lat,lng\nOslo,Norway,59.9,10.8\n")
    with pytest.raises(
        AssayError, match=f"{path}: column population is missing; it has name, country, lat, lng"
    ):
        read_gazetteer(path)
    path.write_text("city,country,lat,lng,population\nOslo,Norway,59.9,10.8,5\n")
    with pytest.raises(AssayError, match="column name is missing"):
        read_gazetteer(path)
