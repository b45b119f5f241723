"""Open items asked of many configs of one model at once, and what was said graded item by item."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.errors import AssayError
from assay.evaluation.grading import Grader, OpenAnswer, OpenItem, Score
from assay.generation.generation import generate
from assay.interventions.interventions import Intervention


def speak(
    model: Any,
    tokenizer: Any,
    items: Sequence[OpenItem],
    configs: Mapping[str, Sequence[Intervention]],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    token_budget: int = 4096,
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[OpenAnswer]]:
    """The answer to every item under every config, in the order of `items`; see `assay.generation.generation.generate`."""
    of = {item.record.id: item for item in items}
    if len(of) < len(items):
        raise AssayError("two items have the same id; ids must be unique")
    found: dict[str, list[OpenAnswer]] = {config: [] for config in configs}
    for one in generate(
        model,
        tokenizer,
        [item.record for item in items],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        interventions=configs,
        token_budget=token_budget,
        progress=progress,
    ):
        found[one.config].append(OpenAnswer(of[one.id], one.text, one.ids, one.finish_reason == "stop"))
    return found


def grade_all(
    answers: Mapping[str, Sequence[OpenAnswer]], graders: Mapping[str, Grader]
) -> dict[str, list[Score]]:
    """Scores by config, in the order of the answers; `graders` by the item's grader, "" for items that name none.

    Each grader gets all its answers at once, so that a judge is asked about many in parallel.
    """
    places = [(config, place) for config, said in answers.items() for place in range(len(said))]
    scores: dict[tuple[str, int], Score] = {}
    for name, grader in graders.items():
        mine = [place for place in places if answers[place[0]][place[1]].item.grader == name]
        graded = grader.grade([answers[config][place] for config, place in mine])
        scores.update(zip(mine, graded, strict=True))
    return {config: [scores[config, place] for place in range(len(said))] for config, said in answers.items()}
