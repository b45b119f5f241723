"""Section `directions`: which of two cities lies further north, and which further east."""

from collections.abc import Iterator
from itertools import permutations

from assay.world.phrasing import Fact, FactSection, Relation, Series
from assay.world.world import World

SECTION = "directions"
MIN_GAP = 2  # grid cells; cities nearer than this on an axis are not compared on it

# Every template names the axis, then the place one starts from: at the second city all is said, as in a series.
LATITUDE = Relation(
    SECTION,
    "latitude",
    statements=(
        "North or south of {t}, {s} lies to the",
        "Going north or south from {t}, you find {s} to the",
        "On the way north or south from {t}, {s} is to the",
        "Whether north or south, from {t} to {s} you travel",
        "Looking north and south from {t}, you see {s} in the",
        "If you travel north or south from {t}, {s} is in the",
        "Looking north or south from {t}, you find {s} to the",
        "Whether north or south of {t}, {s} is to the",
    ),
    questions=(
        "North or south of {t}: {s}?",
        "North or south of {t}, where is {s}?",
        "Do you go north or south from {t} to {s}?",
        "Is it north or south from {t} to {s}?",
        "To the north or the south of {t}, where is {s}?",
        "North or south of the city of {t}, where is the city of {s}?",
        "Do you travel north or south from {t} to {s}?",
        "North or south of {t}: where is {s}?",
    ),
    yesno=(
        "Is {s} {o} of {t}?",
        "Does {s} lie to the {o} of {t}?",
        "On the map, is {s} {o} of {t}?",
        "Seen from {t}, is the city of {s} in the {o}?",
        "If you go from {t} to {s}, do you go {o}?",
        "Is the city of {s} {o} of the city of {t}?",
        "Seen from {t}, does {s} lie to the {o}?",
    ),
    series=Series("t", "North or south of {t}:", " {s}"),
)


def _turned(templates: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        template.replace("north", "east").replace("south", "west").replace("North", "East")
        for template in templates
    )


LONGITUDE = Relation(
    SECTION,
    "longitude",
    statements=_turned(LATITUDE.statements),
    questions=_turned(LATITUDE.questions),
    yesno=LATITUDE.yesno,
    series=Series("t", "East or west of {t}:", " {s}"),
)


class Directions(FactSection):
    """One-dimensional comparisons of every ordered pair of cities that are far enough apart."""

    name = SECTION
    relations = (LATITUDE, LONGITUDE)

    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section."""
        for first, second in permutations(world.geography.cities, 2):
            subject = {"s": first.name, "t": second.name}
            if abs(north := first.north - second.north) >= MIN_GAP:
                yield "latitude", _fact(subject, "north", "south", north > 0)
            if abs(east := first.east - second.east) >= MIN_GAP:
                yield "longitude", _fact(subject, "east", "west", east > 0)


def _fact(subject: dict[str, str], ahead: str, behind: str, is_ahead: bool) -> Fact:
    return Fact(subject, (ahead,), (behind,)) if is_ahead else Fact(subject, (behind,), (ahead,))
