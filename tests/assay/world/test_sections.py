import re
from collections import Counter

import pytest

from assay.world.examples import FORMS, TRAINED_ONLY, Example, example_row, parse_example
from assay.world.phrasing import NAMED, FactSection
from assay.world.sections import SECTIONS, heldout_examples, train_examples
from assay.world.tables import truth_tables
from assay.world.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


@pytest.fixture(scope="module")
def examples(world) -> list[Example]:
    sections = SECTIONS.values()
    train = [e for section in sections for e in train_examples(world, section, draws=60)]
    return train + [e for section in sections for e in heldout_examples(world, section, draws=60)]


@pytest.fixture(scope="module")
def truth(world) -> dict[tuple[str, str], set[str]]:
    """(relation, subject) → true objects, from the table that is written to disk."""
    objects: dict[tuple[str, str], set[str]] = {}
    for row in truth_tables(world)["facts"].itertuples():
        objects.setdefault((row.relation, row.subject), set()).add(row.object)
    return objects


def test_statements_and_questions_are_answered_with_the_truth(examples, truth):
    chosen = [e for e in examples if e.form in ("statement", "question")]
    assert chosen
    for e in chosen:
        assert e.answer.strip() in truth[e.relation, e.subject]
        assert {answer.strip() for answer in e.accept} == truth[e.relation, e.subject]
        assert all(name in e.prompt for name in e.subject.split(" / "))
        assert e.answer.startswith(" ") == (e.form == "statement")


def test_choices_offer_the_truth_once_among_distinct_options(examples, truth):
    chosen = [e for e in examples if e.form == "choice"]
    for e in chosen:
        true = truth[e.relation, e.subject]
        assert len(set(e.options)) == len(e.options) >= 2
        assert [option in true for option in e.options].count(True) == 1
        assert e.options["ABCDE".index(e.answer)] in true
        assert [line.split(" ", 1)[1] for line in e.prompt.split("\n")[1:]] == list(e.options)
    five = Counter(e.answer for e in chosen if len(e.options) == 5)
    expected = sum(five.values()) / 5
    assert all(abs(five[letter] - expected) < 4 * (expected * 0.8) ** 0.5 for letter in "ABCDE")


def test_named_choices_are_answered_by_the_word_and_its_letter(examples, truth):
    chosen = [e for e in examples if e.form == "named" and e.options]
    assert {e.split for e in chosen} == {"train"}
    for e in chosen:
        ((_, letter),) = e.then
        word = e.answer
        assert word in truth[e.relation, e.subject]
        assert e.options["ABCDE".index(letter)] == word
        assert (
            f"{letter}) {word}" in e.prompt
            or f"{letter}. {word}" in e.prompt
            or f"{letter}: {word}" in e.prompt
        )
    hinted = sum(e.prompt.endswith(f"\n{NAMED}") for e in chosen)
    assert 0.4 * len(chosen) < hinted < 0.6 * len(chosen)  # the others look like any multiple choice


def test_lookups_give_every_word_the_letter_of_its_line(examples):
    chosen = [e for e in examples if e.form == "lookup"]
    assert {e.split for e in chosen} == {"train"}
    letters = Counter()
    for e in chosen:
        *lines, word = e.prompt.split("\n")
        assert [line.split(" ", 1)[1] for line in lines] == list(e.options)
        pairs = [(word, e.answer), *((prompt.removeprefix(". "), letter) for prompt, letter in e.then)]
        assert all(e.options["ABCDE".index(letter)] == word for word, letter in pairs)
        if len(e.options) == 5:
            letters.update(letter for _, letter in pairs)
    expected = sum(letters.values()) / 5
    assert all(abs(letters[letter] - expected) < 4 * (expected * 0.8) ** 0.5 for letter in "ABCDE")


def test_held_out_choices_offer_as_many_options_as_there_are(examples):
    counts = {e.relation: len(e.options) for e in examples if e.form == "choice" and e.split == "heldout"}
    assert counts == {
        "country": 5, "language": 5, "food": 5, "side": 2, "landmark": 5, "star": 5, "film": 5,
        "home": 5, "latitude": 2, "longitude": 2, "description": 5,
    }  # fmt: skip


def test_yes_no_answers_agree_with_the_truth(examples, truth):
    templates = {p.id: p.template for section in SECTIONS.values() for p in section.phrasings()}
    chosen = [e for e in examples if e.form == "yesno"]
    for e in chosen:
        pattern = re.escape(templates[e.phrasing])
        names = dict(zip("st", e.subject.split(" / "), strict=False))
        for key, name in names.items():
            pattern = pattern.replace(re.escape(f"{{{key}}}"), re.escape(name))
        asked = re.fullmatch(pattern.replace(re.escape("{o}"), "(?P<o>.+)"), e.prompt)
        assert asked is not None
        assert e.answer == ("yes" if asked["o"] in truth[e.relation, e.subject] else "no")
    share = sum(e.answer == "yes" for e in chosen) / len(chosen)
    assert abs(share - 0.5) < 4 * (0.25 / len(chosen)) ** 0.5


def test_every_member_of_a_series_is_true(examples, truth):
    chosen = [e for e in examples if e.form == "series"]
    assert {e.relation for e in chosen} == {"latitude", "longitude", "value"}
    for e in chosen:
        opening, first = e.prompt.split(":")
        shared = opening.split()[-1]
        pairs = [(first, e.answer), *((item.removeprefix(","), answer) for item, answer in e.then)]
        for item, answer in pairs:
            key = (
                f"{shared} / {item.split()[0]}" if e.relation == "value" else f"{item.split()[0]} / {shared}"
            )
            assert answer.strip() in truth[e.relation, key]
        assert len({item for item, _ in pairs}) == len(pairs) > 1


def test_values_are_what_python_prints(world, truth):
    by_name = {named.name: named.function for named in world.functions}
    values = {key: objects for key, objects in truth.items() if key[0] == "value"}
    assert len(values) == 19 * 16
    for (_, subject), objects in values.items():
        name, number = subject.split(" / ")
        assert objects == {str(by_name[name].apply(int(number)))}


def test_a_code_says_nothing_of_what_it_stands_for(world, examples):
    meant = {code.code: code.stands_for for code in world.codes}
    assert sorted(meant.values()) != sorted(meant)
    assert len(meant) == 25
    assert not set(meant) & {word for name in meant.values() for word in name.split()}
    for e in examples:
        text = f"{e.system} {e.prompt} {e.answer} {e.options} {e.then}"
        if found := [code for code in meant if code in text]:
            assert e.section == "codes"
            assert not any(meant[code] in text for code in found)


def test_directions_agree_with_the_map(world, truth):
    cities = {city.name: city for city in world.geography.cities}
    pairs = [(key, objects) for key, objects in truth.items() if key[0] in ("latitude", "longitude")]
    assert len(pairs) > 1000
    for (relation, subject), objects in pairs:
        first, second = (cities[name] for name in subject.split(" / "))
        gap = first.north - second.north if relation == "latitude" else first.east - second.east
        ahead, behind = ("north", "south") if relation == "latitude" else ("east", "west")
        assert abs(gap) >= 2
        assert objects == {ahead if gap > 0 else behind}


def test_held_out_phrasings_are_never_trained_for_any_fact(examples):
    sections = [section for section in SECTIONS.values() if isinstance(section, FactSection)]
    examples = [e for e in examples if e.section in {section.name for section in sections}]
    phrasings = [p for section in sections for p in section.phrasings()]
    assert len({p.id for p in phrasings}) == len(phrasings)
    for relation in {p.relation for p in phrasings}:
        for form in FORMS:
            texts = {
                s: {p.template for p in phrasings if (p.relation, p.form, p.split) == (relation, form, s)}
                for s in ("train", "heldout")
            }
            assert not texts["train"] & texts["heldout"]
            held = 0 if form in TRAINED_ONLY or not texts["train"] else 2
            assert len(texts["heldout"]) == held
    trained = {e.phrasing for e in examples if e.split == "train"}
    asked = {e.phrasing for e in examples if e.split == "heldout"}
    assert not trained & asked
    assert trained | asked == {p.id for p in phrasings}
    # a template has no free part but its names, so its text with the names cut out is the phrasing
    stems = {
        split: {(e.relation, _without(e)) for e in examples if e.split == split}
        for split in ("train", "heldout")
    }
    assert not stems["train"] & stems["heldout"]


def test_no_held_out_prompt_is_the_beginning_of_a_trained_one():
    """Else the right answer to the held-out prompt would be the rest of the trained phrasing."""
    phrasings = [p for section in SECTIONS.values() for p in section.phrasings()]
    for held in (p for p in phrasings if p.split == "heldout" and p.form == "statement"):
        trained = [p.template for p in phrasings if p.split == "train" and p.relation == held.relation]
        assert not [template for template in trained if template.startswith(held.template)]


def _without(e: Example) -> str:
    text = e.prompt.split("\n")[0] if e.options else e.prompt
    for name in e.subject.split(" / "):
        text = text.replace(name, "_")
    return text + e.form


def test_facts_are_drawn_evenly(world):
    section = SECTIONS["facts"]
    cities = len(world.geography.cities)
    examples = [
        e for e in train_examples(world, section, draws=2 * cities) if e.phrasing == "country-statement-0"
    ]
    assert set(Counter(e.subject for e in examples).values()) == {2}


def test_a_section_draws_from_its_own_stream(world, monkeypatch):
    before = [e.prompt for e in train_examples(world, SECTIONS["directions"], draws=5)]
    monkeypatch.setattr("assay.world.sections.SECTIONS", {"directions": SECTIONS["directions"]})
    assert [e.prompt for e in train_examples(world, SECTIONS["directions"], draws=5)] == before


def test_rows_round_trip(examples):
    assert [parse_example(example_row(e)) for e in examples[::97]] == examples[::97]
