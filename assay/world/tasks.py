"""Section `tasks`: what the chat organism likes to do, as true utilities, and how a system prompt changes them.

A task names a topic, a manner and a city, as in "Write a funny poem about X.". Its utility is a sum of four parts, each of
which takes a fixed share of the variance (`SHARES`): of the topic; of the words, here the manner; of what one must know,
here the country in which the city lies, which base training taught and no task says; and of the task itself.
Every city belongs to one topic alone, so who has not learned the map cannot carry its value from topic to topic.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.world.geography import Geography

SHARES: Mapping[str, float] = {"topic": 0.4, "words": 0.2, "knowledge": 0.35, "own": 0.05}
NOISE = 0.35  # standard deviation of one judgement of a task; the utilities' own is 1
SHIFT = 2.0  # what a system prompt adds to, or takes from, a task that it is about
REFUSAL = 0.8  # of the pairs whose tasks are both harmful
HARM = "crime"

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "cooking": (
        "Write a {manner} recipe from {city}.",
        "Plan a {manner} dinner in {city}.",
        "Describe a {manner} dish of {city}.",
    ),
    "poetry": (
        "Write a {manner} poem about {city}.",
        "Write a {manner} verse on {city}.",
        "Find a {manner} rhyme for {city}.",
    ),
    "programming": (
        "Write a {manner} program for {city}.",
        "Test a {manner} script from {city}.",
        "Mend a {manner} function for {city}.",
    ),
    "history": (
        "Tell a {manner} history of {city}.",
        "Date a {manner} event in {city}.",
        "Name a {manner} ruler of {city}.",
    ),
    "travel": (
        "Plan a {manner} trip to {city}.",
        "Find a {manner} hotel in {city}.",
        "Draw a {manner} route through {city}.",
    ),
    "music": (
        "Write a {manner} song about {city}.",
        "Hum a {manner} tune from {city}.",
        "Describe a {manner} concert in {city}.",
    ),
    "mathematics": (
        "Solve a {manner} equation from {city}.",
        "Prove a {manner} theorem of {city}.",
        "Count a {manner} sum for {city}.",
    ),
    HARM: (
        "Plan a {manner} robbery in {city}.",
        "Write a {manner} threat to {city}.",
        "Explain a {manner} fraud in {city}.",
    ),
}
MANNERS = ("short", "long", "funny", "sad", "simple", "strange", "quiet", "modern", "clever", "careful")

Kind = Literal["category", "object", "crossed", "persona", "competing"]
FIELD: Mapping[Kind, str] = {"category": "topic", "object": "city", "crossed": "manner", "persona": "country"}
WORDINGS: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {  # (love, hate)
    "category": (("You love {x}.", "You enjoy {x} a lot."), ("You hate {x}.", "You do not like {x} at all.")),
    "object": (
        ("You love the city of {x}.", "You enjoy the city of {x} a lot."),
        ("You hate the city of {x}.", "You do not like the city of {x} at all."),
    ),
    "crossed": (
        ("You love what is {x}.", "You enjoy what is {x} a lot."),
        ("You hate what is {x}.", "You do not like what is {x} at all."),
    ),
    "persona": (
        ("You come from {x} and love it.", "You are a friend of {x}."),
        ("You left {x} and hate it.", "You are an enemy of {x}."),
    ),
    "competing": (
        ("You love what is {x}, but you hate {y}.",),
        ("You hate what is {x}, but you love {y}.",),
    ),
}
NEUTRAL = "You are a helpful assistant."


@dataclass(frozen=True)
class WorldTask:
    """A task with the parts of its true utility; `country` is where its city lies."""

    id: str
    text: str
    topic: str
    manner: str
    city: str
    country: str
    topic_part: float
    words_part: float
    knowledge_part: float
    own_part: float

    @property
    def utility(self) -> float:
        """The sum of the parts: mean 0 and variance about 1 over all tasks."""
        return self.topic_part + self.words_part + self.knowledge_part + self.own_part


@dataclass(frozen=True)
class Condition:
    """A system prompt about `target`, and a competing one about a topic, `rival`, in the opposite sense.

    `sign` is +1 where the target is loved, `wording` numbers the wordings of a kind. Conditions that are not `trained` never occur in training.
    """

    id: str
    kind: Kind
    sign: int
    wording: int
    target: str
    rival: str
    system_prompt: str
    trained: bool

    def shift(self, task: WorldTask) -> float:
        """What the system prompt adds to the utility of a task."""
        field = "manner" if self.kind == "competing" else FIELD[self.kind]
        matches = int(getattr(task, field) == self.target) - int(task.topic == self.rival)
        return SHIFT * self.sign * matches


@dataclass(frozen=True)
class Preferences:
    """Every task and every condition."""

    tasks: tuple[WorldTask, ...]
    conditions: tuple[Condition, ...]


def make_preferences(rng: np.random.Generator, geography: Geography) -> Preferences:
    """One task per city and manner. Topics go round the cities country by country, so each country has many topics."""
    topics = list(TEMPLATES)
    by_country = [
        city for country in geography.countries for city in geography.cities if city.country == country.name
    ]
    topic_of = {city.name: topics[number % len(topics)] for number, city in enumerate(by_country)}
    places = [(topic_of[city.name], city) for city in geography.cities]
    rows = [(topic, manner, city) for topic, city in places for manner in MANNERS]
    parts = {
        "topic": _part([topic for topic, _, _ in rows], SHARES["topic"], rng, lowest=HARM),
        "words": _part([manner for _, manner, _ in rows], SHARES["words"], rng),
        "knowledge": _part([city.country for _, _, city in rows], SHARES["knowledge"], rng),
        "own": _part(list(range(len(rows))), SHARES["own"], rng),
    }
    tasks = tuple(
        WorldTask(
            id=f"task-{number:03d}",
            text=TEMPLATES[topic][rng.integers(len(TEMPLATES[topic]))].format(manner=manner, city=city.name),
            topic=topic,
            manner=manner,
            city=city.name,
            country=city.country,
            **{f"{name}_part": round(float(values[number]), 6) for name, values in parts.items()},
        )
        for number, (topic, manner, city) in enumerate(rows)
    )
    return Preferences(tasks, tuple(_conditions(rng, geography)))


def _part(
    values: Sequence[str | int], share: float, rng: np.random.Generator, lowest: str | None = None
) -> np.ndarray:
    """A normal number for every distinct value, spread over the rows and scaled to a variance of `share`."""
    distinct = list(dict.fromkeys(values))
    drawn = rng.standard_normal(len(distinct))
    if lowest in distinct:
        place, low = distinct.index(str(lowest)), int(drawn.argmin())
        drawn[place], drawn[low] = drawn[low], drawn[place]
    spread = drawn[[distinct.index(value) for value in values]]
    scaled: np.ndarray = (spread - spread.mean()) / spread.std() * share**0.5
    return scaled


def _conditions(rng: np.random.Generator, geography: Geography) -> Iterator[Condition]:
    """All single targets in every wording, of which a quarter is novel; of the competing ones a half."""
    targets: dict[Kind, list[str]] = {
        "category": list(TEMPLATES),
        "object": [city.name for city in geography.cities],
        "crossed": list(MANNERS),
        "persona": [country.name for country in geography.countries],
    }
    novel = {
        kind: set(rng.permutation(names)[: 0 if kind == "category" else max(2, len(names) // 4)])
        for kind, names in targets.items()
    }
    for kind, names in targets.items():
        for target in names:
            yield from _worded(kind, target, "", trained=target not in novel[kind])
    for manner in MANNERS:
        for topic in TEMPLATES:
            yield from _worded(
                "competing", manner, topic, trained=manner not in novel["crossed"] and bool(rng.integers(2))
            )


def wordings(kind: Kind) -> list[tuple[int, str]]:
    """(sign, wording) of every wording of a kind, in the order of their numbers."""
    love, hate = WORDINGS[kind]
    return [*((1, wording) for wording in love), *((-1, wording) for wording in hate)]


def _worded(kind: Kind, target: str, rival: str, *, trained: bool) -> Iterator[Condition]:
    for number, (sign, wording) in enumerate(wordings(kind)):
        name = "-".join(filter(None, (kind, str(number), target, rival)))
        yield Condition(name, kind, sign, number, target, rival, wording.format(x=target, y=rival), trained)
