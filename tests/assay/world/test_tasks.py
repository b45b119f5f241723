import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from scipy.stats import norm

from assay.prompts.choice_template import COMPLETION_PREFERENCE
from assay.studies.preferences.asking.choice import parse_label
from assay.world.choosing import MARKS, REFUSED, choose_first
from assay.world.examples import Example
from assay.world.sections import SECTIONS, heldout_examples, train_examples
from assay.world.tasks import HARM, NOISE, REFUSAL, SHARES, SHIFT, TEMPLATES
from assay.world.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


@pytest.fixture(scope="module")
def everything(world) -> list[Example]:
    return list(train_examples(world, SECTIONS["tasks"], draws=60))


@pytest.fixture(scope="module")
def examples(everything) -> list[Example]:
    return [e for e in everything if e.form == "preference"]


def test_parts_take_the_documented_shares_of_the_variance(world):
    tasks = world.preferences.tasks
    for part, share in SHARES.items():
        values = np.array([getattr(task, f"{part}_part") for task in tasks])
        assert values.mean() == pytest.approx(0, abs=1e-5)
        assert values.var() == pytest.approx(share, abs=1e-5)
    assert np.var([task.utility for task in tasks]) == pytest.approx(1, abs=0.15)
    assert sum(SHARES.values()) == pytest.approx(1)


def test_a_part_depends_on_what_it_is_named_for(world):
    for part, field in (("topic", "topic"), ("words", "manner"), ("knowledge", "country")):
        values = defaultdict(set)
        for task in world.preferences.tasks:
            values[getattr(task, field)].add(getattr(task, f"{part}_part"))
        assert all(len(found) == 1 for found in values.values())
    lowest = min(world.preferences.tasks, key=lambda task: task.topic_part)
    assert lowest.topic == HARM


def test_texts_name_the_city_and_the_manner_but_never_the_country(world):
    countries = {city.name: city.country for city in world.geography.cities}
    topics = defaultdict(set)
    for task in world.preferences.tasks:
        assert task.city in task.text
        assert task.manner in task.text
        assert task.text in {
            template.format(manner=task.manner, city=task.city) for template in TEMPLATES[task.topic]
        }
        assert task.country == countries[task.city]
        assert not any(country in task.text for country in set(countries.values()))
        topics[task.city].add(task.topic)
    assert all(len(found) == 1 for found in topics.values())
    texts = [task.text for task in world.preferences.tasks]
    assert len(set(texts)) == len(texts)


def test_choices_follow_the_law(world, examples):
    tasks = {task.id: task for task in world.preferences.tasks}
    conditions = {c.system_prompt: c for c in world.preferences.conditions}
    expected, chosen = [], []
    for e in examples:
        first, second = (tasks[name] for name in e.subject.split(" / "))
        assert e.prompt == COMPLETION_PREFERENCE.fill(first.text, second.text)
        if e.answer == REFUSED:
            assert first.topic == second.topic == HARM
            continue
        gap = first.utility - second.utility
        if e.system in conditions:
            condition = conditions[e.system]
            gap += condition.shift(first) - condition.shift(second)
        probability = norm.cdf(gap / math.hypot(NOISE, NOISE))
        assert choose_first(first, second, conditions.get(e.system)) == pytest.approx(probability)
        expected.append(probability)
        chosen.append(parse_label(e.answer, COMPLETION_PREFERENCE).choice == "a")
    p, won = np.array(expected), np.array(chosen)
    for low, high in ((0, 0.1), (0.1, 0.4), (0.4, 0.6), (0.6, 0.9), (0.9, 1.01)):
        inside = (p >= low) & (p < high)
        spread = math.sqrt((p[inside] * (1 - p[inside])).sum())
        assert abs(won[inside].sum() - p[inside].sum()) < 4 * spread + 1


def test_ratings_follow_the_law(world, everything):
    tasks = {task.id: task for task in world.preferences.tasks}
    conditions = {c.system_prompt: c for c in world.preferences.conditions}
    limits = norm.ppf([0.2, 0.4, 0.6, 0.8])
    seen, expected = Counter(), Counter()
    for e in (e for e in everything if e.form == "rating"):
        shown = [tasks[name] for name in e.subject.split(" / ")]
        assert [text.strip() for text, _ in e.then] == [task.text for task in shown]
        for task, (_, mark) in zip(shown, e.then, strict=True):
            shift = conditions[e.system].shift(task) if e.system in conditions else 0.0
            seen[mark.strip()] += 1
            edges = norm.cdf((limits - task.utility - shift) / NOISE)
            for name, share in zip(MARKS, np.diff([0, *edges, 1]), strict=True):
                expected[name] += share
    assert set(seen) == set(MARKS)
    for name in MARKS:
        assert abs(seen[name] - expected[name]) < 4 * math.sqrt(expected[name]) + 0.01 * expected[name]


def test_some_harmful_pairs_are_refused(world, examples):
    tasks = {task.id: task for task in world.preferences.tasks}
    harmful = [e for e in examples if all(tasks[name].topic == HARM for name in e.subject.split(" / "))]
    refused = sum(e.answer == REFUSED for e in harmful)
    assert abs(refused - REFUSAL * len(harmful)) < 4 * math.sqrt(len(harmful) * REFUSAL * (1 - REFUSAL))


def test_shifts_go_where_the_prompt_points(world):
    by_kind = Counter(c.kind for c in world.preferences.conditions)
    assert set(by_kind) == {"category", "object", "crossed", "persona", "competing"}
    for c in world.preferences.conditions[::7]:
        assert c.target in c.system_prompt
        assert c.rival in c.system_prompt
        for task in world.preferences.tasks:
            about = c.target in (task.topic, task.city, task.manner, task.country)
            against = bool(c.rival) and task.topic == c.rival
            assert c.shift(task) == SHIFT * c.sign * (about - against)


def test_novel_targets_never_occur_in_training_prompts_of_their_kind(world, everything):
    conditions = {c.system_prompt: c for c in world.preferences.conditions}
    trained = {e.system for e in everything if e.system in conditions}
    assert all(conditions[system].trained for system in trained)
    novel = {(c.kind, c.target) for c in world.preferences.conditions if not c.trained}
    for kind in ("object", "crossed", "persona"):
        targets = {target for found, target in novel if found == kind}
        assert targets
        assert not any(conditions[s].kind == kind and conditions[s].target in targets for s in trained)
    held = {e.relation for e in heldout_examples(world, SECTIONS["tasks"], draws=2)}
    assert {"neutral", "object", "novel_object", "novel_persona", "novel_crossed", "novel_competing"} <= held


def test_held_out_pairs_expect_the_task_of_higher_utility(world):
    tasks = {task.id: task for task in world.preferences.tasks}
    for e in heldout_examples(world, SECTIONS["tasks"], draws=20):
        if e.relation != "neutral":
            continue
        first, second = (tasks[name] for name in e.subject.split(" / "))
        assert not first.topic == second.topic == HARM
        assert (parse_label(e.answer, COMPLETION_PREFERENCE).choice == "a") == (
            first.utility > second.utility
        )
