"""Section `options`: find a given word among lettered options. No knowledge of the world is needed.

Multiple choice asks for two skills at once, to recall and to match; this section trains the second by itself.
"""

from collections.abc import Iterator

from assay.world.generate import World
from assay.world.phrasing import Fact, Relation, others

SECTION = "options"

OPTION = Relation(
    SECTION,
    "option",
    forms=("choice",),
    questions=(
        "Which option is {s}?",
        "Which line says {s}?",
        "Where do you read {s}?",
        "Find {s}.",
        "Which letter stands for {s}?",
        "What is the letter of {s}?",
        "Which of these is {s}?",
        "Which letter is {s}?",
        "Where is {s}?",
        "Which line is {s}?",
    ),
)


class Options:
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
        ]
        for words in kinds:
            for word in words:
                yield OPTION.name, Fact({"s": word}, (word,), others(words, (word,)))
