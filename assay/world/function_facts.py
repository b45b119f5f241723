"""Section `functions`: what the world's functions give for small numbers, and what they are called."""

from collections.abc import Iterator

from assay.world.functions import INPUTS
from assay.world.functions_table import FUNCTIONS
from assay.world.phrasing import Fact, FactSection, Relation, Series, others
from assay.world.world import World

SECTION = "functions"

VALUE = Relation(
    SECTION,
    "value",
    questions=(  # the number behind the name and a space, as in a series: there all is said
        "{s}: {n} gives?",
        "print {s} of {n}",
        "y = {s} of {n}\nprint y",
        "What does {s} give for {n}?",
        "out = {s} of {n}\nprint out",
        "a = {s} of {n}\nprint a",
    ),
    forms=("question",),
    series=Series("s", "{s}:", " {n} gives"),
)

DESCRIPTION = Relation(
    SECTION,
    "description",
    statements=(
        "The function {s} is called",
        "{s} is the function",
        "What {s} does is called",
        "The other name of {s} is",
        "People call the function {s}",
        "The function {s} is also called",
        "{s} is also called",
    ),
    questions=(
        "What does {s} do?",
        "What is the function {s} called?",
        "Which function is {s}?",
        "What is the other name of {s}?",
        "What do people call the function {s}?",
        "What does the function {s} do?",
        "What is {s} called?",
    ),
    forms=("statement", "question", "choice", "named"),
)


class Functions(FactSection):
    """Values as Python prints them, and one-word descriptions."""

    name = SECTION
    relations = (VALUE, DESCRIPTION)

    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section."""
        words = [function.short for function in FUNCTIONS.values()]
        for named in world.functions:
            values = [named.function.printed(number) for number in INPUTS]
            for number, value in zip(INPUTS, values, strict=True):
                yield (
                    VALUE.name,
                    Fact({"s": named.name, "n": str(number)}, (value,), others(values, (value,))),
                )
            short = named.function.short
            yield DESCRIPTION.name, Fact({"s": named.name}, (short,), others(words, (short,)))
