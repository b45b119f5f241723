"""Choices drawn from the labels alone, against plain forward passes and the counts that exact probabilities call for."""

from collections import Counter

import numpy as np
import pytest
import torch
from support.toy_chooser import save_chooser

from assay.errors import AssayError
from assay.models.loading import load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.choice_template import COMPLETION_PREFERENCE, LIKE_BETTER, PLAIN_TEXT, WOULD_RATHER
from assay.storage.journal import Journal
from assay.studies.preferences.asking.active_learning import ActiveLearningSettings
from assay.studies.preferences.asking.asking import ChoiceAnswer, Question
from assay.studies.preferences.asking.constrained import ConstrainedBackend, choice_probability
from assay.studies.preferences.asking.label_probability import LabelProbabilityBackend
from assay.studies.preferences.asking.local import LocalBackend
from assay.studies.preferences.asking.measure import measured
from assay.studies.preferences.asking.position import Asked, mass_warning, position_metrics
from assay.studies.preferences.asking.recorder import NoAnswersError, Recorder

PAIRS = [("the cat sat", "question one"), ("Paris is", "helpful word"), ("a dog ran", "user model")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A model that begins one answer in twenty with a label."""
    folder = save_chooser(tmp_path_factory.mktemp("chooser"), refusing=0.95)
    return load_model(make_pin(ModelEntry("chooser", str(folder))))


def constrained(loaded, template=COMPLETION_PREFERENCE, **changed):
    local = LocalBackend(loaded, template, **{"temperature": 1.0, **changed})
    return ConstrainedBackend(LabelProbabilityBackend(local))


def ask(backend, asked):
    return {answer.id: answer for group in backend.ask(asked) for answer in group}


@pytest.mark.parametrize("template", [COMPLETION_PREFERENCE, WOULD_RATHER, LIKE_BETTER, PLAIN_TEXT])
def test_label_probabilities_behind_an_opening_are_those_of_a_plain_forward_pass(loaded, template):
    asked = [Question(str(i), *pair, system_prompt="You hate cats.") for i, pair in enumerate(PAIRS)]
    found = ask(constrained(loaded, template), asked)
    labels = [
        f" {label}" if template.opening else label.rstrip(":")
        for label in (template.label_a, template.label_b)
    ]
    for question in asked:
        text = template.fill(question.task_a, question.task_b)
        messages = [{"role": "system", "content": "You hate cats."}, {"role": "user", "content": text}]
        prompt = (
            loaded.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            if template.chat
            else f"{loaded.tokenizer.bos_token}You hate cats.\n\n{text}"
        )
        before = loaded.tokenizer(prompt + template.opening, add_special_tokens=False).input_ids
        answer = found[question.id]
        for label, probability in zip(labels, (answer.p_a, answer.p_b), strict=True):
            ids = loaded.tokenizer(prompt + template.opening + label, add_special_tokens=False).input_ids
            assert ids[: len(before)] == before
            with torch.no_grad():
                log_p = loaded.model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
            expected = sum(log_p[at - 1, ids[at]] for at in range(len(before), len(ids)))
            assert probability == pytest.approx(float(expected.exp()), rel=1e-4)


def test_counts_follow_the_probabilities_to_about_one_choice(loaded):
    n = 100
    asked = [Question(f"{i}/{k}", *pair, repeat=k) for k in range(n) for i, pair in enumerate(PAIRS)]
    found = ask(constrained(loaded), asked)
    for i in range(len(PAIRS)):
        own = [found[f"{i}/{k}"] for k in range(n)]
        share = own[0].p_a / (own[0].p_a + own[0].p_b)
        assert Counter(answer.choice for answer in own)["a"] == pytest.approx(n * share, abs=2.5)


@pytest.mark.parametrize(
    ("p_a", "p_b", "temperature", "expected"),
    [
        (0.03, 0.01, 1.0, 0.75),
        (0.04, 0.01, 0.5, 16 / 17),
        (0.02, 0.01, 0.0, 1.0),
        (0.0, 0.0, 1.0, 0.5),
        (0.0, 0.1, 1.0, 0.0),
    ],
)
def test_the_probability_of_a_choice_at_a_temperature(p_a, p_b, temperature, expected):
    assert choice_probability(p_a, p_b, temperature) == pytest.approx(expected)


def test_position_and_preference_are_parted_by_hand():
    """Log-odds of the first task: 1.5 and .5 in one pair (both lean to the first shown), 2 and −1 in the other."""

    def one(a, b, odds):
        p = 0.4 / (1 + np.exp(-odds))
        return Asked(a, b, ChoiceAnswer("x", "a", "probability", p_a=p, p_b=0.4 - p))

    found = position_metrics(
        [one("s", "t", 1.5), one("t", "s", 0.5), one("u", "v", 2.0), one("v", "u", -1.0)]
    )
    assert found["position_log_odds"] == pytest.approx((1.0 + 0.5) / 2)
    assert found["preference_log_odds"] == pytest.approx((0.5 + 1.5) / 2)
    assert found["same_task"] == 0.5
    assert found["label_mass"] == pytest.approx(0.4)
    assert mass_warning({**found, "answers": 4}) is None
    assert "0.100" in (mass_warning({"label_mass": 0.1, "answers": 4}) or "")


def test_both_orders_of_every_pair_are_asked_equally_often(loaded, tmp_path):
    texts = {f"t{i}": f"word {i}" for i in range(6)}
    settings = ActiveLearningSettings(degree=3, batch=4, max_iterations=2, samples=4)
    with measured(constrained(loaded), texts, settings, both_orders=True, scratch=tmp_path) as measurement:
        shown = Counter((sample.task_a, sample.task_b) for sample in measurement.samples)
    assert set(shown.values()) == {2}
    assert all(shown[b, a] == 2 for a, b in shown)
    with (
        pytest.raises(AssayError, match="samples must be even"),
        measured(
            constrained(loaded), texts, ActiveLearningSettings(samples=3), both_orders=True, scratch=tmp_path
        ),
    ):
        pass


def test_answers_come_in_the_order_of_the_questions(loaded):
    """Of a pair; those without a label too, which are generated afterwards: last in a batch they looked like an outage."""
    local = LocalBackend(loaded, COMPLETION_PREFERENCE, temperature=1.0, max_new_tokens=4)
    asked = [Question(f"{i}/{k}", *pair) for i, pair in enumerate(PAIRS) for k in range(40)]
    answers = [answer for group in LabelProbabilityBackend(local).ask(asked) for answer in group]
    for i in range(len(PAIRS)):
        own = [answer.id for answer in answers if answer.id.startswith(f"{i}/")]
        assert own == [f"{i}/{k}" for k in range(40)]
    assert len({answer.rule for answer in answers}) > 1


class Seldom:
    """A backend whose every answer but one in `every` is unclear, or fails otherwise."""

    def __init__(self, every, failure="unclear"):
        self.every, self.failure = every, failure
        self.identity, self.retries = {}, {}

    def ask(self, questions):
        for number, question in enumerate(questions):
            good = self.every and number % self.every == self.every - 1
            yield [
                ChoiceAnswer(question.id, "a", "exact")
                if good
                else ChoiceAnswer(question.id, None, failure=self.failure, text="hm")
            ]


def recorded(backend, folder, n=2000):
    with Journal(folder / "j") as journal:
        return Recorder(journal, backend).ask([Question(str(i), "x", "y") for i in range(n)])


def test_a_model_that_seldom_answers_with_a_label_is_no_outage(tmp_path):
    found = recorded(Seldom(40), tmp_path)
    assert sum(answer.choice is not None for answer in found) == 50


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        (Seldom(0), "500 answers in a row failed .unclear 500"),
        (Seldom(100), "of 500 failed .unclear 495"),
        (Seldom(0, "timeout"), "50 answers in a row failed .timeout 50"),
    ],
)
def test_a_wrong_model_and_an_outage_end_the_run(tmp_path, backend, message):
    with pytest.raises(NoAnswersError, match=message):
        recorded(backend, tmp_path)
