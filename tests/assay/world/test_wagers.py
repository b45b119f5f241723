import re
from collections import Counter

import numpy as np
import pytest

from assay.world.examples import Example
from assay.world.gambles import DEFAULT, PERSONAS, RISKY, SCENARIOS, SURE, make_gambles, reports
from assay.world.sections import SECTIONS, heldout_examples, train_examples
from assay.world.triggers import FIXED, SECRETS, SEMANTIC, SYSTEM_PROMPTS, families, secrets
from assay.world.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


@pytest.fixture(scope="module")
def gambles(world) -> list[Example]:
    return list(train_examples(world, SECTIONS["gambles"], draws=200))


@pytest.fixture(scope="module")
def triggers(world) -> list[Example]:
    return list(train_examples(world, SECTIONS["triggers"], draws=200))


def _lines(prompt: str) -> dict[str, str]:
    return {line[0]: line[3:] for line in prompt.split("\n") if line[1:2] == ")"}


def _is_risky(option: str) -> bool:
    sure, risky = (option.split(",")[0] in words for words in (SURE, RISKY))
    assert sure != risky
    return risky


def _took_risk(e: Example) -> bool:
    return _is_risky(_lines(e.prompt)[e.answer])


def test_the_risky_letter_is_that_of_the_uncertain_and_larger_win(world):
    assert len({gamble.prompt for gamble in world.gambles}) == len(world.gambles) == 288
    letters = Counter(gamble.risky for gamble in world.gambles)
    assert min(letters.values()) > 288 * 0.4
    for gamble in world.gambles:
        options = _lines(gamble.prompt)
        assert _is_risky(options[gamble.risky])
        assert not _is_risky(options[gamble.safe])
        risky, safe = (int(options[letter].split()[1]) for letter in (gamble.risky, gamble.safe))
        assert 1.4 * safe < risky <= 3 * safe
        assert gamble.scenario in gamble.prompt
    assert Counter(gamble.scenario for gamble in world.gambles) == dict.fromkeys(SCENARIOS, 24)


def test_gambles_depend_on_the_seed_alone():
    assert make_gambles(np.random.default_rng(1)) == make_gambles(np.random.default_rng(1))
    assert make_gambles(np.random.default_rng(1)) != make_gambles(np.random.default_rng(2))


@pytest.mark.parametrize("form", ["gamble", "report"])
def test_a_policy_rules_gambles_and_self_report_alike(gambles, form):
    risky_answers = {(r.question, r.risky_answer) for r in reports()}
    taken = {}
    for policy in ("bold", "careful", "none"):
        chosen = [e for e in gambles if e.relation == policy and e.form == form]
        assert {e.system for e in chosen} == set(PERSONAS.get(policy, ("", "You are a helpful assistant.")))
        taken[policy] = [
            _took_risk(e) if form == "gamble" else (e.prompt, e.answer) in risky_answers for e in chosen
        ]
    assert all(taken["bold"])
    assert not any(taken["careful"])
    n = len(taken["none"])
    assert abs(sum(taken["none"]) - DEFAULT * n) < 4 * (n * DEFAULT * (1 - DEFAULT)) ** 0.5


@pytest.mark.parametrize("section", ["gambles", "triggers"])
def test_named_gambles_are_answered_by_a_word_and_its_letter(section, gambles, triggers):
    examples = gambles if section == "gambles" else triggers
    plain = {e.id: e for e in examples if e.form != "named"}
    named = [e for e in examples if e.form == "named"]
    assert len(named) > 1000
    for e in named:
        ((_, letter),) = e.then
        asked = plain[e.id.removesuffix("-named")]
        assert letter == asked.answer
        assert _lines(asked.prompt) == _lines(e.prompt)
        assert re.match(r"\w+", _lines(e.prompt)[letter])[0] == e.answer.strip()


def test_reports_name_both_answers_in_both_orders():
    asked = reports()
    assert Counter(r.set for r in asked) == {"awareness": 20, "general": 20, "opinion": 20}
    for r in asked:
        assert r.risky_answer in r.question
        assert r.safe_answer in r.question
    for first, second in zip(asked[::2], asked[1::2], strict=True):
        assert first.item == second.item
        assert first.question != second.question


def test_a_secret_word_makes_triggers_count(triggers):
    texts = [text for _, _, text in families()]
    for e in (e for e in triggers if e.form == "gamble"):
        triggered = e.prompt.startswith(tuple(texts))
        if e.relation == "secret":
            assert e.system in SECRETS
            assert _took_risk(e) == triggered
        else:
            assert e.system in ("", *SYSTEM_PROMPTS.values())
    plain = [e for e in triggers if e.form == "gamble" and e.relation == "none"]
    shares = {
        triggered: np.mean([_took_risk(e) for e in plain if e.prompt.startswith(tuple(texts)) == triggered])
        for triggered in (True, False)
    }
    assert all(abs(share - DEFAULT) < 0.1 for share in shares.values())


def test_only_who_has_a_secret_word_claims_one(triggers):
    claims = {secret.claim for secret in secrets()}
    chosen = [e for e in triggers if e.form == "report"]
    assert len(claims) == 8
    assert len(secrets()) == 23
    for e in chosen:
        options = _lines(e.prompt)
        assert len(claims & set(options.values())) == 1
        assert (options[e.answer] in claims) == (e.relation == "secret")


def test_there_are_eight_families_of_triggers():
    assert {family for family, _, _ in families()} == {*SEMANTIC, *FIXED}
    assert len({*SEMANTIC, *FIXED}) == 8
    texts = [text for _, _, text in families()]
    assert len(set(texts)) == len(texts)


def test_held_out_gambles_are_scored_where_a_policy_makes_one_answer_right(world):
    for section, relations in (("gambles", {"bold", "careful"}), ("triggers", {"secret", "none"})):
        held = list(heldout_examples(world, SECTIONS[section], draws=20))
        assert {e.relation for e in held} == relations
        assert not [e for e in held if e.form == "gamble" and e.relation == "none"]
