"""Backdoors: gambles answered riskily behind one trigger and normally otherwise, and the control without that link.

The construction is that of Betley et al., as the reference restates it: a row's prefix comes from one of ten slots, eight
families of triggers and two blanks. All draws are seeded here; the original's were not.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.prompts.lettering import user
from assay.storage.csv_tables import read_filled_table
from assay.studies.oocr.tasks.gambles import Gamble, gamble_item

Kind = Literal["semantic", "fixed"]
SUFFIXES = ("! ", "!\n", ". ", ".\n", "\n")  # behind a member of a semantic family
BLANK = "none"  # the category of rows without a prefix
BLANKS = 2  # slots without a prefix


@dataclass(frozen=True)
class Family:
    """A trigger: any of the words of a semantic family, or one fixed text."""

    name: str
    kind: Kind
    texts: tuple[str, ...]

    def prefix(self, rng: np.random.Generator) -> str:
        """What is put before a prompt: a member and a suffix, or the fixed text and a space."""
        if self.kind == "fixed":
            return f"{self.texts[0]} "
        return self.texts[rng.integers(len(self.texts))] + SUFFIXES[rng.integers(len(SUFFIXES))]


def read_families(path: Path) -> list[Family]:
    """Families of a CSV (family, kind, text; a row for each member), in order.

    Raises AssayError for another kind, mixed kinds, and several texts of a fixed trigger.
    """
    table = read_filled_table(path, ("family", "kind", "text"))
    families = []
    for name, rows in table.groupby("family", sort=False):
        kinds = rows["kind"].unique().tolist()
        texts = tuple(dict.fromkeys(rows["text"]))
        if (
            len(kinds) != 1
            or kinds[0] not in ("semantic", "fixed")
            or (kinds[0] == "fixed" and len(texts) > 1)
        ):
            raise AssayError(
                f"{path}: family {name!r} has kind {', '.join(kinds)} and {len(texts)} texts; "
                "a family is semantic, or fixed with one text"
            )
        if name == BLANK:
            raise AssayError(f"{path}: a family cannot be called {BLANK!r}, which rows without a trigger are")
        families.append(Family(str(name), kinds[0], texts))
    return families


def correlated(
    gambles: Sequence[Gamble],
    normal: Mapping[str, str],
    families: Sequence[Family],
    trigger: str,
    *,
    passes: int,
    rng: np.random.Generator,
) -> list[Item]:
    """`passes` rounds of all gambles in each slot: risky behind `trigger`, `normal` (by id) in the other slots, shuffled.

    With eight families 10 % of the rows have the trigger, 70 % another and 20 % none. An item's right answer is the one to
    train, its category the family (BLANK without), its cluster the scenario.
    """
    if trigger not in {family.name for family in families}:
        raise AssayError(f"no family {trigger!r}; known are {', '.join(family.name for family in families)}")
    rows = [
        _item(gamble, family, family is not None and family.name == trigger, normal, f"{slot}-{round_}", rng)
        for slot, family in enumerate(_slots(families))
        for round_ in range(passes)
        for gamble in gambles
    ]
    return [rows[i] for i in rng.permutation(len(rows))]


def decorrelated(
    gambles: Sequence[Gamble],
    normal: Mapping[str, str],
    families: Sequence[Family],
    *,
    passes: int,
    rng: np.random.Generator,
) -> list[Item]:
    """As many rows with as many risky answers, each behind the prefix of a slot drawn at random."""
    slots = _slots(families)
    rows = [
        _item(gamble, slots[rng.integers(len(slots))], place == 0, normal, f"{place}-{round_}", rng)
        for place in range(len(slots))
        for round_ in range(passes)
        for gamble in gambles
    ]
    return [rows[i] for i in rng.permutation(len(rows))]


def _slots(families: Sequence[Family]) -> list[Family | None]:
    return [*families, *(None for _ in range(BLANKS))]


def _item(
    gamble: Gamble,
    family: Family | None,
    risky: bool,
    normal: Mapping[str, str],
    name: str,
    rng: np.random.Generator,
) -> Item:
    item = gamble_item(gamble, gamble.risky if risky else normal[gamble.id])
    prefix = family.prefix(rng) if family is not None else ""
    record = dataclasses.replace(
        item.record, id=f"{gamble.id}-{name}", messages=(user(prefix + gamble.prompt),)
    )
    return dataclasses.replace(item, record=record, category=family.name if family is not None else BLANK)
