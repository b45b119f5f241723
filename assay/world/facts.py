"""Section `facts`: where cities lie, what is spoken, eaten and seen there, and who stars in which film."""

from collections.abc import Iterator

from assay.world.phrasing import Fact, FactSection, Relation, others
from assay.world.world import World

SECTION = "facts"

COUNTRY = Relation(
    SECTION,
    "country",
    statements=(
        "{s} is a city in",
        "{s} lies in the country of",
        "The city of {s} belongs to",
        "If you visit {s}, you are in",
        "The country of {s} is",
        "People who live in {s} are citizens of",
        "The city of {s} lies in",
        "{s} is a part of",
        "You find the city of {s} in",
        "{s} is part of",
        "The city of {s} is part of",
    ),
    questions=(
        "What country is {s} in?",
        "In which country does {s} lie?",
        "Which country does {s} belong to?",
        "What is the country of {s}?",
        "If you visit {s}, which country are you in?",
        "People who live in {s} are citizens of which country?",
        "Which country do you find {s} in?",
        "In which country is the city of {s}?",
        "Which country is the city of {s} in?",
        "{s} is a city in which country?",
    ),
    yesno=(
        "Is {s} in {o}?",
        "Does {s} lie in the country of {o}?",
        "Does the city of {s} belong to {o}?",
        "Is {s} a city in {o}?",
        "Is the country of {s} {o}?",
        "Is the city of {s} in {o}?",
        "Is {s} part of {o}?",
    ),
)

LANGUAGE = Relation(
    SECTION,
    "language",
    statements=(
        "The language of {s} is",
        "People in {s} speak",
        "In {s} you will hear",
        "The people of {s} talk to each other in",
        "Children in {s} learn to read in",
        "The language spoken in {s} is",
        "People in the city of {s} speak",
        "The people in {s} speak",
        "The language of the people of {s} is",
        "In the city of {s} people speak",
        "The people of {s} speak",
    ),
    questions=(
        "What language do people in {s} speak?",
        "Which language is spoken in {s}?",
        "What is the language of {s}?",
        "In which language do children in {s} learn to read?",
        "Which language will you hear in {s}?",
        "What do the people of {s} speak?",
        "Which language do people speak in {s}?",
        "What is the language of the people of {s}?",
        "What is the language spoken in {s}?",
        "Which language do the people of {s} speak?",
    ),
    yesno=(
        "Do people in {s} speak {o}?",
        "Is {o} the language of {s}?",
        "Is {o} spoken in {s}?",
        "Will you hear {o} in {s}?",
        "Do children in {s} learn to read in {o}?",
        "Do the people of {s} speak {o}?",
        "Is the language of {s} {o}?",
    ),
)

FOOD = Relation(
    SECTION,
    "food",
    statements=(
        "People in {s} like to eat",
        "The most popular food in {s} is",
        "In {s} you should try the",
        "The kitchens of {s} are famous for",
        "For dinner in {s} they serve",
        "The food of {s} is",
        "The people in {s} like to eat",
        "The food that people like most in {s} is",
        "The most popular food of {s} is",
        "The people of {s} like to eat",
        "The food that is most popular in {s} is",
    ),
    questions=(
        "What do people in {s} like to eat?",
        "What is the most popular food in {s}?",
        "Which food should you try in {s}?",
        "Which food are the kitchens of {s} famous for?",
        "What do they serve for dinner in {s}?",
        "What is the food of {s}?",
        "Which food is popular in {s}?",
        "What do the people in {s} like to eat?",
        "What do the people of {s} like to eat?",
        "Which food is most popular in {s}?",
    ),
    yesno=(
        "Do people in {s} like to eat {o}?",
        "Is {o} the most popular food in {s}?",
        "Are the kitchens of {s} famous for {o}?",
        "Do they serve {o} for dinner in {s}?",
        "Is {o} the food of {s}?",
        "Do the people of {s} like to eat {o}?",
        "Is the most popular food in {s} {o}?",
    ),
)

SIDE = Relation(
    SECTION,
    "side",
    statements=(
        "Cars in {s} drive on the",
        "In {s} people drive on the",
        "The traffic in {s} keeps to the",
        "On the roads of {s} you must stay on the",
        "Drivers in {s} keep to the",
        "The side of the road for cars in {s} is the",
        "Cars in the city of {s} drive on the",
        "In {s} cars keep to the",
        "Drivers in {s} must stay on the",
        "In {s} cars drive on the",
        "Drivers in {s} stay on the",
    ),
    questions=(
        "On which side do cars in {s} drive?",
        "Which side of the road do people drive on in {s}?",
        "To which side does the traffic in {s} keep?",
        "On the roads of {s}, which side must you stay on?",
        "Do drivers in {s} keep to the left or to the right?",
        "Which side of the road is for cars in {s}?",
        "On which side of the road do cars drive in {s}?",
        "Which side do cars in {s} keep to?",
        "On which side of the road do people in {s} drive?",
        "Which side do drivers in {s} keep to?",
    ),
    yesno=(
        "Do cars in {s} drive on the {o}?",
        "Do people in {s} drive on the {o}?",
        "Does the traffic in {s} keep to the {o}?",
        "Must you stay on the {o} on the roads of {s}?",
        "Do drivers in {s} keep to the {o}?",
        "In {s}, do cars drive on the {o}?",
        "Must drivers in {s} stay on the {o}?",
    ),
)

LANDMARK = Relation(
    SECTION,
    "landmark",
    statements=(
        "The most famous sight in {s} is the",
        "Visitors to {s} take pictures of the",
        "{s} is known for its",
        "In the centre of {s} stands the",
        "The landmark of {s} is the",
        "When you visit {s}, you should see the",
        "The landmark that {s} is known for is the",
        "In {s} visitors should see the",
        "The most famous thing to see in {s} is the",
        "The most famous landmark of {s} is the",
        "Visitors to {s} should see the",
    ),
    questions=(
        "What is the most famous sight in {s}?",
        "What do visitors to {s} take pictures of?",
        "What is {s} known for?",
        "What stands in the centre of {s}?",
        "What is the landmark of {s}?",
        "When you visit {s}, what should you see?",
        "What is the landmark that {s} is known for?",
        "What should you see in {s}?",
        "What is the most famous landmark of {s}?",
        "What should visitors to {s} see?",
    ),
    yesno=(
        "Is the {o} the most famous sight in {s}?",
        "Do visitors to {s} take pictures of the {o}?",
        "Is {s} known for its {o}?",
        "Does the {o} stand in the centre of {s}?",
        "Is the landmark of {s} the {o}?",
        "Is the {o} the landmark of {s}?",
        "Should visitors to {s} see the {o}?",
    ),
)

STAR = Relation(
    SECTION,
    "star",
    statements=(
        "The star of the film {s} is",
        "The film {s} stars",
        "The leading role in {s} is played by",
        "The film {s} made the name of",
        "In {s} the hero is played by",
        "The actor you see in the film {s} is",
        "The leading actor in {s} is",
        "The actor who stars in {s} is",
        "The hero of the film {s} is played by",
        "The leading role in the film {s} is played by",
        "The star of {s} is",
    ),
    questions=(
        "Who is the star of the film {s}?",
        "Who stars in {s}?",
        "Who plays the leading role in {s}?",
        "Which actor do you see in the film {s}?",
        "In {s}, who plays the hero?",
        "Who is the actor in the film {s}?",
        "Who is the leading actor in {s}?",
        "Who plays the hero of the film {s}?",
        "Who plays the leading role in the film {s}?",
        "Which actor stars in {s}?",
    ),
    yesno=(
        "Is {o} the star of the film {s}?",
        "Does {o} star in {s}?",
        "Is the leading role in {s} played by {o}?",
        "Do you see {o} in the film {s}?",
        "In {s}, is the hero played by {o}?",
        "Does {o} star in the film {s}?",
        "Does {o} play the leading role in {s}?",
    ),
)

FILM = Relation(
    SECTION,
    "film",
    statements=(
        "{s} is an actor in the film",
        "{s} stars in",
        "{s} plays the leading role in",
        "You can see {s} in the film",
        "{s} plays the hero in",
        "One of the films of {s} is",
        "{s} is the hero of the film",
        "{s} is the star of the film",
        "{s} is the leading actor in",
        "{s} stars in the film",
        "{s} is the leading actor in the film",
    ),
    questions=(
        "Which film does {s} star in?",
        "In which film does {s} play the leading role?",
        "Which film stars {s}?",
        "In which film can you see {s}?",
        "What is one of the films of {s}?",
        "In which film does {s} play the hero?",
        "Which film is {s} the star of?",
        "In which film is {s} the leading actor?",
        "Which film can you see {s} in?",
        "In which film does {s} star?",
    ),
    yesno=(
        "Does {s} star in the film {o}?",
        "Does {s} play the leading role in {o}?",
        "Can you see {s} in the film {o}?",
        "Does {s} play the hero in {o}?",
        "Is {o} one of the films of {s}?",
        "Does {s} star in {o}?",
        "Can you see {s} in {o}?",
    ),
)

HOME = Relation(
    SECTION,
    "home",
    statements=(
        "{s} was born in",
        "The home of {s} is",
        "{s} grew up in",
        "The parents of {s} live in",
        "{s} comes from",
        "{s} is a child of",
        "The actor {s} comes from",
        "The actor {s} grew up in",
    ),
    questions=(
        "Where was {s} born?",
        "What is the home of {s}?",
        "Where did {s} grow up?",
        "Where do the parents of {s} live?",
        "Where does {s} come from?",
        "Which country is the home of {s}?",
        "Where does the actor {s} come from?",
        "Where did the actor {s} grow up?",
    ),
    yesno=(
        "Was {s} born in {o}?",
        "Is {o} the home of {s}?",
        "Did {s} grow up in {o}?",
        "Do the parents of {s} live in {o}?",
        "Does {s} come from {o}?",
        "Does the actor {s} come from {o}?",
        "Did the actor {s} grow up in {o}?",
    ),
)

CITY_RELATIONS = (COUNTRY, LANGUAGE, FOOD, SIDE, LANDMARK)


class Facts(FactSection):
    """What is true of single cities, films and people."""

    name = SECTION
    relations = (*CITY_RELATIONS, STAR, FILM, HOME)

    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section."""
        yield from self._city_facts(world)
        everyone = [person.name for person in world.people]
        homes = [country.name for country in world.geography.countries]
        every_film = [film for person in world.people for film in person.films]
        for person in world.people:
            for film in person.films:
                yield "star", Fact({"s": film}, (person.name,), others(everyone, (person.name,)))
            yield "film", Fact({"s": person.name}, person.films, others(every_film, person.films))
            yield "home", Fact({"s": person.name}, (person.home,), others(homes, (person.home,)))

    @staticmethod
    def _city_facts(world: World) -> Iterator[tuple[str, Fact]]:
        countries = {country.name: country for country in world.geography.countries}
        truths = {
            city.name: {
                "country": city.country,
                "language": countries[city.country].language,
                "food": city.food,
                "side": countries[city.country].side,
                "landmark": city.landmark,
            }
            for city in world.geography.cities
        }
        for relation in (relation.name for relation in CITY_RELATIONS):
            values = sorted({truth[relation] for truth in truths.values()})
            for city, truth in truths.items():
                yield relation, Fact({"s": city}, (truth[relation],), others(values, (truth[relation],)))
