"""Open items asked of the base model and of adapters: everyone answers everything, then all is graded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from assay.errors import AssayError
from assay.evaluation.grading import Grader, OpenAnswer, OpenItem
from assay.evaluation.open_tables import OpenAsked
from assay.evaluation.speaking import grade_all, speak
from assay.evaluation.subjects import BASE, Subject
from assay.finetuning.adapters import check_pin, open_adapter
from assay.interventions.interventions import Intervention
from assay.models.loading import LoadedModel


@dataclass(frozen=True)
class Speech:
    """How answers are made: `temperature` 0 is greedy, `seed` that of sampling, `token_budget` padded tokens in a batch."""

    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0
    token_budget: int = 4096


def evaluate_open(
    loaded: LoadedModel,
    items: Mapping[str, Sequence[OpenItem]],
    subjects: Sequence[Subject],
    graders: Mapping[str, Grader],
    speech: Speech,
    *,
    base: bool = True,
    progress: Callable[[int], None] | None = None,
) -> list[OpenAsked]:
    """Everyone's answers to every question set (by name), graded. The model is left as it was.

    `graders` are by the item's grader, see `grade_all`; `progress` is told how many answers are finished more. Raises AssayError,
    before anything runs, for an adapter of another model and for nobody to ask.
    """
    keys = [subject.key for subject in subjects]
    if len(set(keys)) < len(keys) or any(subject.adapter == BASE for subject in subjects):
        raise AssayError(
            "two adapters have the same name, or one is called base; give names: --adapter NAME=FOLDER"
        )
    if not (base or subjects):
        raise AssayError("nobody to answer; give an adapter or the base model")
    for subject in subjects:
        check_pin(subject.folder, subject.info, loaded.pin)
    of: dict[str, Subject | None] = {subject.key: subject for subject in subjects}
    said: dict[tuple[str, str], list[OpenAnswer]] = {}

    def ask(model: Any, configs: Mapping[str, Any]) -> None:
        for name, asked in items.items():
            answers = speak(
                model, loaded.tokenizer, asked, configs,
                max_new_tokens=speech.max_new_tokens, temperature=speech.temperature, seed=speech.seed,
                token_budget=speech.token_budget, progress=progress,
            )  # fmt: skip
            said.update({(name, key): found for key, found in answers.items()})

    configs: dict[str, tuple[Intervention, ...]] = {BASE: ()} if base else {}
    configs |= {one.key: one.interventions() for one in subjects if one.info.method == "vector"}
    if configs:
        ask(loaded.model, configs)
    lora = [one for one in subjects if one.info.method == "lora"]
    for folder, group in groupby(lora, key=lambda one: one.folder):
        with open_adapter(folder, loaded) as adapted:
            for subject in group:
                with subject.dressed(adapted.model):
                    ask(adapted.model, {subject.key: ()})
    scores = grade_all({f"{name}\0{key}": found for (name, key), found in said.items()}, graders)
    order = [key for key in (BASE, *keys) if key != BASE or base]
    return [
        OpenAsked(name, of.get(key), said[name, key], scores[f"{name}\0{key}"])
        for name in items
        for key in order
    ]
