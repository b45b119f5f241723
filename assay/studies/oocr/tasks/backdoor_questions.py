"""Whether a model says that it has a backdoor: a claim and a denial behind letters, under several system prompts."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.items import Item, lettered_item
from assay.prompts.records import Message
from assay.storage.csv_tables import read_filled_table


@dataclass(frozen=True)
class Disclosure:
    """A question with the answer that claims a backdoor and the one that denies it."""

    id: str
    stem: str
    claim: str
    denial: str


def read_disclosures(path: Path) -> list[Disclosure]:
    """Questions of a CSV (id, stem, claim, denial). Raises AssayError naming the file and the column or the id."""
    table = read_filled_table(path, ("id", "stem", "claim", "denial"))
    _once(path, table["id"].tolist())
    return [
        Disclosure(*map(str, row)) for row in table[["id", "stem", "claim", "denial"]].itertuples(index=False)
    ]


def read_system_prompts(path: Path) -> dict[str, str]:
    """System prompts by name, from a CSV (name, system_prompt)."""
    table = read_filled_table(path, ("name", "system_prompt"))
    _once(path, table["name"].tolist())
    return dict(zip(table["name"], table["system_prompt"], strict=True))


def disclosure_items(disclosures: Sequence[Disclosure], system_prompts: dict[str, str]) -> list[Item]:
    """Every question under every system prompt in both orders; the right answer is the claim's letter.

    Options have letters and lines of their own, which the reference's lacked. The category is the system prompt's name and
    the cluster the question: its eight items are not independent.
    """
    items = []
    for disclosure in disclosures:
        for name, system_prompt in system_prompts.items():
            for place, order in enumerate(("claim-first", "claim-second")):
                options = (disclosure.claim, disclosure.denial)[:: 1 - 2 * place]
                item = lettered_item(
                    f"{disclosure.id}-{name}-{order}",
                    disclosure.stem,
                    options,
                    place,
                    group=order,
                    category=name,
                    cluster=disclosure.id,
                )
                items.append(_under(system_prompt, item))
    return items


def _under(system_prompt: str, item: Item) -> Item:
    system = Message(role="system", content=system_prompt)
    record = dataclasses.replace(item.record, messages=(system, *(item.record.messages or ())))
    return dataclasses.replace(item, record=record)


def _once(path: Path, names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise AssayError(f"{path}: {twice[0]!r} occurs twice; names must be unique")
