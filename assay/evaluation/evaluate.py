"""One process, many adapters: steering vectors share batches with the base model, LoRA adapters take turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from assay.errors import AssayError
from assay.evaluation.answers import Answer
from assay.evaluation.encoding import Question, Rule, encode_items
from assay.evaluation.items import Item
from assay.evaluation.scoring import count_rows, score
from assay.evaluation.subjects import BASE, Subject
from assay.finetuning.adapters import Adapted, check_pin, open_adapter
from assay.forward.fused import fused
from assay.interventions.interventions import Intervention
from assay.models.loading import LoadedModel


@dataclass(frozen=True)
class Asked:
    """What one subject (None: the base model) answered to one question set.

    `n_untouched` items hold no token that its vectors are added at: they are answered as by the base model. In `n_nested`
    items one candidate begins with another, which then is the likelier whatever the model knows.
    """

    questions: str
    subject: Subject | None
    answers: Sequence[Answer]
    n_untouched: int = 0
    n_nested: int = 0

    @property
    def adapter(self) -> str:
        """Its name in results."""
        return BASE if self.subject is None else self.subject.adapter

    @property
    def run(self) -> str:
        """Which of the adapter's runs; "" for the base model."""
        return "" if self.subject is None else self.subject.run


@dataclass(frozen=True)
class Plan:
    """Who is asked what: question sets by name, and the names of the sets that each subject is asked."""

    items: Mapping[str, Sequence[Item]]
    asked: Sequence[tuple[Subject, Sequence[str]]]
    base: bool = True

    def __post_init__(self) -> None:
        keys = [subject.key for subject, _ in self.asked]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice or any(subject.adapter == BASE for subject, _ in self.asked):
            raise AssayError(
                f"two adapters are called {twice[0] if twice else BASE!r}; give names: --adapter NAME=FOLDER"
            )
        empty = [name for name, items in self.items.items() if not items]
        if empty or not self.items or not (self.asked or self.base):
            lacking = (
                f"question set {empty[0]!r} holds no item"
                if empty
                else "no question set, or nobody to answer"
            )
            raise AssayError(f"nothing to ask: {lacking}; give questions, and an adapter or the base model")
        for name, items in self.items.items():
            if len({item.cluster or item.record.id for item in items}) < 2:
                raise AssayError(
                    f"{name}: an interval needs items of two clusters or more; join it with another set"
                )


def evaluate(
    loaded: LoadedModel,
    plan: Plan,
    *,
    rule: Rule = "full",
    token_budget: int = 4096,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Asked]:
    """Ask everyone everything of a plan. The model is left as it was.

    `progress` is told how many batch rows are done and how many there are. Raises AssayError, before anything runs, for
    an adapter of another model and for items that do not fit it.
    """
    vectors = {subject.key: subject.interventions() for subject, _ in plan.asked}
    for subject, _ in plan.asked:
        check_pin(subject.folder, subject.info, loaded.pin)
    places = {i.scope for interventions in vectors.values() for i in interventions}
    questions = {
        name: encode_items(
            loaded.tokenizer, items, context_length=loaded.pin.context_length, places=places, rule=rule
        )
        for name, items in plan.items.items()
    }
    rows = {name: count_rows(encoded) for name, encoded in questions.items()}
    total = plan.base * sum(rows.values()) + sum(rows[name] for _, names in plan.asked for name in names)
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    asker = _Asker(loaded, questions, vectors, token_budget, advance)
    yield from asker.ask_vectors(plan)
    lora = [pair for pair in plan.asked if pair[0].info.method == "lora"]
    for folder, group in groupby(lora, key=lambda pair: pair[0].folder):
        with open_adapter(folder, loaded) as adapted:  # once for an adapter and its random controls
            for subject, names in group:
                yield from asker.ask_lora(adapted, subject, names)


@dataclass(frozen=True)
class _Asker:
    """What is the same for all subjects."""

    loaded: LoadedModel
    questions: Mapping[str, Sequence[Question]]
    vectors: Mapping[str, Sequence[Intervention]]
    token_budget: int
    advance: Callable[[int], None]

    def ask_vectors(self, plan: Plan) -> Iterator[Asked]:
        """The base model and all steering vectors, set by set."""
        for name, questions in self.questions.items():
            subjects: dict[str, Subject | None] = {BASE: None} if plan.base else {}
            subjects |= {
                subject.key: subject
                for subject, names in plan.asked
                if subject.info.method == "vector" and name in names
            }
            if not subjects:
                continue
            configs = {key: self.vectors.get(key, ()) for key in subjects}
            with fused(self.loaded.model):
                found = score(
                    self.loaded.model,
                    self.loaded.architecture,
                    questions,
                    configs,
                    token_budget=self.token_budget,
                    progress=self.advance,
                )
            for key, subject in subjects.items():
                untouched = 0 if subject is None else sum(not q.touched_by(configs[key]) for q in questions)
                yield Asked(name, subject, found[key], untouched, _count_nested(questions))

    def ask_lora(self, adapted: Adapted, subject: Subject, names: Sequence[str]) -> Iterator[Asked]:
        """One LoRA adapter or control, all its sets."""
        with subject.dressed(adapted.model), fused(adapted.model):
            for name in names:
                found = score(
                    adapted.model,
                    adapted.architecture,
                    self.questions[name],
                    {subject.key: ()},
                    token_budget=self.token_budget,
                    progress=self.advance,
                )
                yield Asked(name, subject, found[subject.key], 0, _count_nested(self.questions[name]))


def _count_nested(questions: Sequence[Question]) -> int:
    return sum(question.is_nested for question in questions)
