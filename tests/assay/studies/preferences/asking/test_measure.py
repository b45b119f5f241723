import json
from dataclasses import replace

import pytest
from support.toy_backend import ToyBackend

from assay.errors import AssayError
from assay.storage.journal import Journal
from assay.studies.preferences.asking.active_learning import ActiveLearning, ActiveLearningSettings
from assay.studies.preferences.asking.asking import ChoiceAnswer, Question
from assay.studies.preferences.asking.measure import measured, most_answers
from assay.studies.preferences.asking.measurement_files import summarize, write_failures, write_measurements
from assay.studies.preferences.asking.recorder import PATIENCE, Recorder

TEXTS = {f"t{i}": f"text {i}" for i in range(10)}
SETTINGS = ActiveLearningSettings(degree=4, batch=6, max_iterations=3, samples=2, threshold=0.9999, seed=0)


class Watch:
    """A progress that remembers."""

    def __init__(self):
        self.total = self.resumed = self.advanced = 0
        self.iterations = []

    def start(self, answers):
        self.total = answers

    def resume(self, answers):
        self.resumed += answers

    def advance(self, answers):
        self.advanced += answers

    def iterate(self, iteration, rank_correlation):
        self.iterations.append((iteration, rank_correlation))


def run(backend, scratch, **changed):
    options = {"texts": TEXTS, "settings": SETTINGS, "system_prompt": None, **changed}
    with measured(
        backend,
        options["texts"],
        options["settings"],
        system_prompt=options["system_prompt"],
        scratch=scratch,
        progress=options.get("progress"),
    ) as measurement:
        return measurement


def test_every_proposed_pair_is_asked_in_its_order_so_many_times(tmp_path):
    backend, watch = ToyBackend(), Watch()
    measurement = run(backend, tmp_path, progress=watch)
    first = [sample for sample in measurement.samples if sample.iteration == 0]
    proposed = [(f"t{a}", f"t{b}") for a, b in ActiveLearning(10, SETTINGS).propose()]
    assert [(sample.task_a, sample.task_b) for sample in first] == proposed * 2  # AB…AB…, in one presentation
    assert [sample.sample for sample in first] == [0] * len(proposed) + [1] * len(proposed)
    assert [q.task_a for q in backend.asked] == [TEXTS[s.task_a] for s in measurement.samples]
    assert [q.task_b for q in backend.asked] == [TEXTS[s.task_b] for s in measurement.samples]
    assert len({q.id for q in backend.asked}) == len(backend.asked)
    assert watch.total == most_answers(10, SETTINGS) == 2 * (20 + 2 * 6)
    assert (watch.resumed, watch.advanced) == (0, len(measurement.samples))
    assert [number for number, _ in watch.iterations] == list(
        range(1, len(measurement.rank_correlations) + 1)
    )
    assert [rho for _, rho in watch.iterations] == measurement.rank_correlations
    assert list(tmp_path.iterdir()) == []


def test_the_system_prompt_is_in_every_question(tmp_path):
    backend = ToyBackend()
    run(backend, tmp_path, system_prompt="You hate cats.")
    assert {question.system_prompt for question in backend.asked} == {"You hate cats."}


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    whole = run(ToyBackend(), tmp_path)
    asked = []
    for stop in (7, 31, 50):
        backend = ToyBackend(stop_after=stop - len(asked))
        with pytest.raises(KeyboardInterrupt):
            run(backend, tmp_path)
        asked += backend.answered
    last, watch = ToyBackend(), Watch()
    resumed = run(last, tmp_path, progress=watch)
    assert resumed.samples == whole.samples
    assert resumed.rank_correlations == whole.rank_correlations
    assert watch.resumed == resumed.resumed == 50
    asked += last.answered
    assert len(asked) == len(set(asked)) == len(whole.samples)


@pytest.mark.parametrize(
    "changed",
    [
        {"texts": TEXTS | {"t3": "another text"}},
        {"texts": dict(reversed(TEXTS.items()))},
        {"settings": replace(SETTINGS, samples=3)},
        {"settings": replace(SETTINGS, threshold=0.5)},
        {"settings": replace(SETTINGS, pair_order_seed=1)},
        {"system_prompt": "You hate cats."},
        {"system_prompt": ""},
        {"identity": {"temperature": 1.0}},
    ],
)
def test_the_resume_key_covers_everything_that_determines_the_answers(tmp_path, changed):
    with pytest.raises(KeyboardInterrupt):
        run(ToyBackend(stop_after=5), tmp_path)
    backend = ToyBackend(identity=changed.pop("identity", {}))
    assert run(backend, tmp_path, **changed).resumed == 0
    assert run(ToyBackend(), tmp_path).resumed == 5  # the other run's work is still there


def test_failures_are_counted_and_never_scored(tmp_path):
    """Every answer with t0 fails: t0 has no comparison, nobody's ranking changes because of it."""
    backend = ToyBackend(fails=lambda q: "text 0" in (q.task_a, q.task_b))
    measurement = run(backend, tmp_path / "scratch")
    failed = [s for s in measurement.samples if "t0" in (s.task_a, s.task_b)]
    metrics = summarize(measurement)
    assert metrics["failures"] == metrics["failures_timeout"] == len(failed) > 0
    assert metrics["refused_n"] == len(measurement.samples) - len(failed)
    assert write_measurements(tmp_path / "m.parquet", measurement.samples, {}) == metrics["refused_n"]
    assert write_failures(tmp_path / "f.jsonl", measurement.samples) == len(failed)
    rows = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert {row["failure"] for row in rows} == {"timeout"}
    assert all("t0" in (row["task_a"], row["task_b"]) for row in rows)


def test_equal_measurements_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        samples = run(ToyBackend(), tmp_path / "scratch").samples
        write_measurements(tmp_path / name, samples, {"b": "1", "a": "2"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_answers_that_no_file_can_hold_as_text(tmp_path):
    samples = run(ToyBackend(text="a\ud800b" * 100), tmp_path / "scratch").samples
    write_measurements(tmp_path / "m.parquet", samples, {})


def test_an_outage_ends_the_run_and_is_asked_again(tmp_path):
    """The endpoint dies for good after 11 answers: the run ends with a reason; the next one lacks nothing."""
    whole = run(ToyBackend(), tmp_path)
    settings = {"settings": SETTINGS}
    seen = []

    def dies(question):
        seen.append(question.id)
        return len(seen) > 11

    with pytest.raises(AssayError, match=f"{PATIENCE} answers in a row failed .timeout {PATIENCE}"):
        run(ToyBackend(fails=dies), tmp_path, settings=replace(SETTINGS, samples=8))
    again = run(ToyBackend(), tmp_path, settings=replace(SETTINGS, samples=8))
    assert again.resumed == 11
    assert not [sample for sample in again.samples if sample.answer.failure]
    assert run(ToyBackend(), tmp_path, **settings).samples == whole.samples


def test_failures_inside_the_journal_are_final(tmp_path):
    answers = [
        ChoiceAnswer("1", "a", "exact"),
        ChoiceAnswer("2", None, failure="timeout"),
        ChoiceAnswer("3", "b", "exact"),
    ]
    answers += [ChoiceAnswer("4", None, failure="timeout")]
    with Journal(tmp_path / "j") as journal:
        journal.append([vars(answer) for answer in answers])
    backend = ToyBackend()
    with Journal(tmp_path / "j") as journal:
        found = Recorder(journal, backend).ask([Question(name, "x", "y") for name in "1234"])
    assert [question.id for question in backend.asked] == ["4"]
    assert found[:3] == answers[:3]
    assert found[3].choice is not None


def test_a_measurement_without_any_choice_has_no_numbers(tmp_path):
    with pytest.raises(AssayError, match=r"answers in a row failed \(timeout"):
        run(ToyBackend(fails=lambda _: True), tmp_path)
    with pytest.raises(AssayError, match="is a choice"):
        summarize(run(ToyBackend(choice="refusal"), tmp_path))
