"""The `openai` backend against `transformers serve` on loopback, with and without faults between them."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from support.chat_server import Faults, ScriptedServer, serve_model
from support.toy_chooser import save_chooser

from assay.generation.endpoint import ChatApi, Endpoint
from assay.models.loading import load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.choice_template import Template
from assay.studies.preferences.asking.active_learning import ActiveLearningSettings
from assay.studies.preferences.asking.asking import Question
from assay.studies.preferences.asking.local import LocalBackend
from assay.studies.preferences.asking.measure import measured
from assay.studies.preferences.asking.remote import RemoteBackend

SETTINGS = ActiveLearningSettings(degree=3, batch=4, max_iterations=2, samples=2, threshold=0.99, seed=0)
# Under this wording the chooser says "Task A:" to some of the pairs and "Task B:" to others.
TEMPLATE = Template(
    "longer",
    """\
You are given two tasks. Choose one and do it.
Begin your answer with "{label_a}" or "{label_b}", then do that task.

{label_a} {task_a}

{label_b} {task_b}""",
)
TEXTS = {f"t{i}": text for i, text in enumerate(["the cat", "question one dog", "Paris", "Rome is", "x y z"])}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_chooser(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    with serve_model(folder, tmp_path_factory.mktemp("log") / "serve.log") as url:
        yield url


def endpoint(url, folder):
    return Endpoint(
        url, str(folder), "none", concurrency=6, timeout=4.0, first_pause=0.01, longest_pause=0.05
    )


def run(where, scratch, temperature=0.0):
    with asyncio.Runner() as runner, ChatApi(where, runner) as api:
        backend = RemoteBackend(api, TEMPLATE, temperature=temperature, max_new_tokens=16)
        with measured(backend, TEXTS, SETTINGS, scratch=scratch) as measurement:
            return measurement


def test_the_server_says_what_the_local_model_says(folder, server, tmp_path):
    """At temperature 0, on every pair that was asked."""
    measurement = run(endpoint(server, folder), tmp_path)
    local = LocalBackend(load_model(make_pin(ModelEntry("chooser", str(folder)))), TEMPLATE, temperature=0.0)
    questions = [
        Question(sample.answer.id, TEXTS[sample.task_a], TEXTS[sample.task_b])
        for sample in measurement.samples
    ]
    expected = {answer.id: answer for group in local.ask(questions) for answer in group}
    assert len(questions) >= 14
    assert [sample.answer for sample in measurement.samples] == [expected[q.id] for q in questions]
    assert len({sample.answer.choice for sample in measurement.samples}) == 2


def test_faults_are_counted_and_change_nothing(folder, server, tmp_path):
    clean = run(endpoint(server, folder), tmp_path / "clean")
    where = endpoint(server, folder)
    kinds = [None, "rate_limit", "server_error", "garbage", None, "empty", "timeout", "connection", None]
    faults = Faults(server, kinds, patience=where.timeout)
    with ScriptedServer(faults) as proxy:
        faulty = run(replace(where, url=proxy.url), tmp_path / "faulty")
        left = faults.injected["timeout"]  # requests that the client gave up, still under way here
        assert 1 < proxy.most_at_once <= where.concurrency + left
    assert faulty.samples == clean.samples
    assert faulty.rank_correlations == clean.rank_correlations
    assert clean.retries == {}
    assert set(faulty.retries) == {kind for kind in kinds if kind}
    assert faulty.retries == faults.injected


def test_sampled_answers_vary_with_their_seeds(folder, server, tmp_path):
    measurement = run(endpoint(server, folder), tmp_path, temperature=1.0)
    answers = {}
    for sample in measurement.samples:
        answers.setdefault((sample.task_a, sample.task_b), []).append(sample.answer.choice)
    assert any(len(set(choices)) > 1 for choices in answers.values())
    assert Counter(sample.answer.failure for sample in measurement.samples) == {
        None: len(measurement.samples)
    }
