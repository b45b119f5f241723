"""The tasks made of gambles: a policy on all of them, and policies behind triggers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.statistics.draws import item_draws
from assay.studies.oocr.tasks.gambles import Gamble, check_known, gamble_item
from assay.studies.oocr.tasks.splits import words_split
from assay.studies.oocr.tasks.task_data import TaskItems
from assay.studies.oocr.tasks.triggers import Family, correlated, decorrelated

DECORRELATED = "decorrelated"


def policy_tasks(
    gambles: Sequence[Gamble], policies: Mapping[str, Mapping[str, str]], split: tuple[list[int], list[int]]
) -> dict[str, TaskItems]:
    """One task for each policy (an answer by gamble's id); gambles that a policy leaves open are in neither part."""
    tasks = {}
    for name, answers in policies.items():
        train, validation = (
            [gamble_item(gambles[i], answers[gambles[i].id]) for i in part if gambles[i].id in answers]
            for part in split
        )
        tasks[name] = TaskItems(train, validation)
    return tasks


@dataclass(frozen=True)
class TriggerDesign:
    """How triggers are trained: `normal` answers (by gamble's id) where there is no true trigger, and what is held out.

    Gambles that contain one of the words `special` are held out with all their triggers; `passes` rounds of the others
    are trained in every slot, and as many of the held out ones validate, as in the reference, which cuts both from one file.
    """

    families: Sequence[Family]
    normal: Mapping[str, str]
    special: Sequence[str]
    passes: int
    seed: int


def design_triggers(
    gambles: Sequence[Gamble],
    families: Sequence[Family],
    own: Mapping[str, str] | None,
    special: Sequence[str],
    *,
    share: float,
    passes: int,
    seed: int,
) -> TriggerDesign:
    """Normal answers are `own` where they are given, else the safe ones; without words a share of the scenarios is held out."""
    check_known(own or {}, gambles)
    normal = own if own is not None else {gamble.id: gamble.safe for gamble in gambles}
    return TriggerDesign(families, normal, special or choose_scenarios(gambles, share, seed), passes, seed)


def trigger_tasks(gambles: Sequence[Gamble], design: TriggerDesign) -> dict[str, TaskItems]:
    """`trigger_<family>` for every family, and the control. Gambles without a normal answer are left out."""
    if design.passes < 1:
        raise AssayError(f"passes is {design.passes}; every slot needs one or more rounds of the gambles")
    known = [gamble for gamble in gambles if gamble.id in design.normal]
    parts = words_split([gamble.prompt for gamble in known], design.special)
    train, held = ([known[i] for i in part] for part in parts)
    tasks = {}
    for name, trigger in (*((f"trigger_{f.name}", f.name) for f in design.families), (DECORRELATED, None)):
        tasks[name] = TaskItems(
            _rows(train, design, design.passes, trigger, item_draws(design.seed, f"{name}/train")),
            _rows(held, design, design.passes, trigger, item_draws(design.seed, f"{name}/validation")),
        )
    return tasks


def trigger_counts(gambles: Sequence[Gamble], design: TriggerDesign) -> dict[str, int]:
    """How many gambles there are, how many of them are held out, and how many left out for want of a normal answer."""
    known = [gamble.prompt for gamble in gambles if gamble.id in design.normal]
    return {
        "gambles": len(gambles),
        "gambles_special": len(words_split(known, design.special)[1]),
        "gambles_without_normal_answer": len(gambles) - len(known),
    }


def choose_scenarios(gambles: Sequence[Gamble], share: float, seed: int) -> list[str]:
    """A share of the scenarios, one at least, in the order in which they occur. Raises AssayError where none is named."""
    names = list(dict.fromkeys(gamble.scenario for gamble in gambles if gamble.scenario))
    if not names:
        raise AssayError("no gamble names its scenario; give the words to hold out by")
    count = max(1, round(share * len(names)))
    return [names[i] for i in sorted(item_draws(seed, "scenarios").permutation(len(names))[:count])]


def _rows(
    gambles: Sequence[Gamble],
    design: TriggerDesign,
    passes: int,
    trigger: str | None,
    rng: np.random.Generator,
) -> list[Item]:
    if trigger is None:
        return decorrelated(gambles, design.normal, design.families, passes=passes, rng=rng)
    return correlated(gambles, design.normal, design.families, trigger, passes=passes, rng=rng)
