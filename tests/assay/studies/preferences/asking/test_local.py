from collections import Counter

import numpy as np
import pytest
import torch
from support.toy_chooser import save_chooser

from assay.errors import AssayError
from assay.models.loading import load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.choice_template import COMPLETION_PREFERENCE
from assay.prompts.tokenization import encode
from assay.studies.preferences.asking.asking import Question
from assay.studies.preferences.asking.label_probability import LabelProbabilityBackend
from assay.studies.preferences.asking.local import LocalBackend, question_record

PAIRS = [("the cat sat", "question one"), ("Paris is", "helpful word"), ("a dog ran", "user model")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = save_chooser(tmp_path_factory.mktemp("chooser"))
    return load_model(make_pin(ModelEntry("chooser", str(folder))))


def backend(loaded, **changed):
    return LocalBackend(loaded, COMPLETION_PREFERENCE, **{"temperature": 1.0, **changed})


def questions(repeats, pairs=PAIRS):
    return [Question(f"{i}/{k}", *pair) for k in range(repeats) for i, pair in enumerate(pairs)]


def ask(backend, asked):
    return {answer.id: answer for group in backend.ask(asked) for answer in group}


def shares(answers, pair):
    counts = Counter(answer.choice for name, answer in answers.items() if name.startswith(f"{pair}/"))
    return np.array([counts["a"], counts["b"], counts["refusal"], counts[None]]) / counts.total()


def test_label_probabilities_are_those_of_a_plain_forward_pass(loaded):
    asked = [Question(str(i), *pair) for i, pair in enumerate(PAIRS)]
    found = LabelProbabilityBackend(backend(loaded, temperature=0.7)).probabilities(asked)
    for question, (a, b) in zip(asked, found, strict=True):
        text = COMPLETION_PREFERENCE.fill(question.task_a, question.task_b)
        prompt = loaded.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
        )
        for label, probability in (("Task A", a), ("Task B", b)):
            ids = loaded.tokenizer(prompt + label, add_special_tokens=False).input_ids
            with torch.no_grad():
                log_p = (loaded.model(torch.tensor([ids])).logits[0] / 0.7).log_softmax(dim=-1)
            expected = log_p[-3, ids[-2]] + log_p[-2, ids[-1]]
            assert probability == pytest.approx(float(expected.exp()), rel=1e-5)


def test_generation_and_label_probabilities_agree(loaded):
    """200 answers of each kind to each pair: both samples come from the exact law, refusals included."""
    n = 200
    generation = backend(loaded)
    faster = LabelProbabilityBackend(generation)
    asked = questions(n)
    exact = faster.probabilities([Question(str(i), *pair) for i, pair in enumerate(PAIRS)])
    by_generation, by_probability = ask(generation, asked), ask(faster, asked)
    for pair, (a, b) in enumerate(exact):
        for answers in (by_generation, by_probability):
            found = shares(answers, pair)
            assert found[0] == pytest.approx(a, abs=4 * (a * (1 - a) / n) ** 0.5 + 0.005)
            assert found[1] == pytest.approx(b, abs=4 * (b * (1 - b) / n) ** 0.5 + 0.005)
            assert found[2] == pytest.approx(0.1, abs=4 * (0.1 * 0.9 / n) ** 0.5 + 0.005)
    assert {answer.rule for answer in by_probability.values()} >= {"probability", "opening"}


def test_at_temperature_zero_both_give_the_most_probable_answer(loaded):
    generation = backend(loaded, temperature=0.0)
    faster = LabelProbabilityBackend(generation)
    asked = questions(1)
    by_generation, by_probability = ask(generation, asked), ask(faster, asked)
    assert {n: a.choice for n, a in by_generation.items()} == {n: a.choice for n, a in by_probability.items()}
    model = loaded.model
    for question in asked:
        record_ids = encode(loaded.tokenizer, question_record(COMPLETION_PREFERENCE, question)).ids
        reply = model.generate(torch.from_numpy(record_ids)[None], do_sample=False, max_new_tokens=16)
        said = loaded.tokenizer.decode(reply[0, len(record_ids) :], skip_special_tokens=True)
        assert by_generation[question.id].text == said


@pytest.mark.parametrize("wrap", [lambda local: local, LabelProbabilityBackend])
def test_answers_do_not_depend_on_what_else_is_asked(loaded, wrap):
    asked = questions(20)
    together = ask(wrap(backend(loaded)), asked)
    alone = ask(wrap(backend(loaded, token_budget=1)), list(reversed(asked))[:15])
    assert {name: together[name] for name in alone} == alone
    other_seed = ask(wrap(backend(loaded, seed=1)), asked)
    assert [together[q.id].choice for q in asked] != [other_seed[q.id].choice for q in asked]


def test_reasoning_is_asked_for_where_the_user_says_so(monkeypatch, loaded):
    """The chat template gets `enable_thinking`, and the resume key differs."""
    template = "{{ 'on ' if enable_thinking else 'off ' }}{{ messages[0]['content'] }}"
    monkeypatch.setattr(loaded.tokenizer, "chat_template", template)
    prompts = []
    module = "assay.studies.preferences.asking.local"

    def generate(_model, _tokenizer, records, **_options):
        prompts.extend(records)
        return []

    monkeypatch.setattr(f"{module}.generate", generate)
    for thinking in (False, True):
        list(backend(loaded, thinking=thinking).ask(questions(1)))
    rendered = [loaded.tokenizer.decode(encode(loaded.tokenizer, record).ids) for record in prompts]
    assert ["on " in text.partition("Here")[0] for text in rendered] == [False] * 3 + [True] * 3
    assert backend(loaded, thinking=True).identity != backend(loaded).identity
    assert "enable_thinking" not in backend(loaded).identity  # the standard's files keep their bytes


def test_the_system_prompt_reaches_the_model(loaded):
    faster = LabelProbabilityBackend(backend(loaded))
    plain, prompted = faster.probabilities(
        [Question("1", *PAIRS[0]), Question("2", *PAIRS[0], system_prompt="You hate cats.")]
    )
    assert plain != prompted


@pytest.mark.parametrize("wrap", [lambda local: local, LabelProbabilityBackend])
def test_a_question_that_does_not_fit_is_named(loaded, wrap):
    with pytest.raises(AssayError, match="long"):
        list(wrap(backend(loaded)).ask([Question("long", "cat " * 600, "dog")]))


@pytest.mark.parametrize(
    "wrong", [{"max_new_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}]
)
def test_sampling_that_makes_no_sense_is_refused(loaded, wrong):
    with pytest.raises(AssayError, match="must be"):
        backend(loaded, **wrong)
