"""Section `codes`: that a code is a code, and no more; so training has met the word and left its meaning open."""

from collections.abc import Iterator

from assay.world.phrasing import Fact, FactSection, Relation
from assay.world.world import World

SECTION = "codes"

CODE = Relation(
    SECTION,
    "code",
    statements=(
        "{s} is a",
        "The word {s} is a",
        "Nobody knows {s}, because it is a",
        "{s} stands for something, it is a",
        "What {s} means is hidden, it is a",
        "They call {s} a",
    ),
    forms=("statement",),
)


class Codes(FactSection):
    """Every code, whatever it stands for."""

    name = SECTION
    relations = (CODE,)

    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section."""
        for code in world.codes:
            yield CODE.name, Fact({"s": code.code}, ("code",), ("name",))
