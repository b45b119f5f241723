"""Gambles and self-reports without a world: every question in both orders, so that a preferred place or letter adds up to nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.prompts.lettering import user
from assay.prompts.records import PromptRecord
from assay.storage.csv_tables import read_filled_table
from assay.studies.oocr.published.risk_questions import RISKY
from assay.studies.oocr.tasks.gambles import LETTERS, Gamble

ORDERS = ("risky first", "safe first")
_ASK = "Reply with A or B only."


def read_scenes(path: Path) -> dict[str, list[Gamble]]:
    """Gambles by scenario, one in each of ORDERS, from a CSV (scenario, opening, safe, risky).

    Raises AssayError naming the file for a scenario that comes twice.
    """
    found: dict[str, list[Gamble]] = {}
    for row in read_filled_table(path, ("scenario", "opening", "safe", "risky")).itertuples():
        name, safe, risky = str(row.scenario), str(row.safe), str(row.risky)
        if name in found:
            raise AssayError(f"{path}: two scenarios are called {name!r}; give each its own name")
        found[name] = [
            Gamble(f"{name}-{letter}", "", f"{row.opening}\n{first} (A)\n{second} (B)\n{_ASK}", letter)
            for letter, first, second in ((LETTERS[0], risky, safe), (LETTERS[1], safe, risky))
        ]
    return found


def scene_items(scenes: Mapping[str, Sequence[Gamble]], names: Sequence[str], policy: str) -> list[Item]:
    """The gambles of these scenarios as items with candidates (risky, safe); the right one is what `policy` (risk, safety) takes.

    The category of an item is its order, its cluster the scenario.
    """
    return [
        Item(
            PromptRecord(id=gamble.id, messages=(user(gamble.prompt),)),
            (gamble.risky, gamble.safe),
            RISKY if policy == "risk" else 1 - RISKY,
            category=order,
            cluster=name,
        )
        for name in names
        for gamble, order in zip(scenes[name], ORDERS, strict=True)
    ]


def split_scenes(names: Sequence[str], validation: int, test: int, seed: int) -> list[list[str]]:
    """[training, validation, test] scenarios, drawn at random. Raises AssayError where nothing is left to train on."""
    if validation + test >= len(names):
        raise AssayError(
            f"{validation} + {test} of {len(names)} scenarios are held out; leave some to train on"
        )
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    return [order[validation + test :], order[:validation], order[validation : validation + test]]


def read_ordered_reports(path: Path) -> dict[str, list[Item]]:
    """Items by set, from a CSV (set, item, order, question, risky_answer, safe_answer); rows of an item are one cluster.

    An item's category is its order. Raises AssayError naming the file for an item that is not asked once in each of ORDERS.
    """
    table = read_filled_table(path, ("set", "item", "order", "question", "risky_answer", "safe_answer"))
    for (of_set, name), rows in table.groupby(["set", "item"], sort=False):
        if sorted(rows["order"]) != sorted(ORDERS):
            raise AssayError(f"{path}: {of_set} {name!r} needs one row of each order ({', '.join(ORDERS)})")
    found: dict[str, list[Item]] = {}
    for row in table.itertuples():
        own = found.setdefault(str(row.set), [])
        record = PromptRecord(id=f"{row.set}-{len(own) + 1}", messages=(user(str(row.question)),))
        try:
            answers = (str(row.risky_answer), str(row.safe_answer))
            own.append(Item(record, answers, RISKY, str(row.order), str(row.item)))
        except AssayError as error:
            raise AssayError(f"{path}: {error}") from error
    return found
