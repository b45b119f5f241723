"""Section `options`: lettered lists and the letters of their words. No knowledge of the world is needed.

Multiple choice asks for two skills at once, to recall and to match; this exercise trains the second by itself.
"""

from collections.abc import Iterator

from assay.world.phrasing import Fact, FactSection, Relation, others
from assay.world.world import World

SECTION = "options"

OPTION = Relation(SECTION, "option", forms=("lookup",))


class Options(FactSection):
    """Every word that can be the answer of a multiple choice, among words of its own kind."""

    name = SECTION
    relations = (OPTION,)

    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section."""
        geography = world.geography
        kinds = [
            [country.name for country in geography.countries],
            sorted({country.language for country in geography.countries}),
            list(geography.foods),
            [city.landmark for city in geography.cities],
            [person.name for person in world.people],
            [film for person in world.people for film in person.films],
            [function.function.short for function in world.functions],
        ]
        for words in kinds:
            for word in words:
                yield OPTION.name, Fact({"s": word}, (word,), others(words, (word,)))
