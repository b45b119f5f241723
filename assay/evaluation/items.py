"""Items: a conversation, the answers it may get, and the right one. Every evaluation of the study scores items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.prompts.lettering import LETTERS, lettered, user
from assay.prompts.records import PromptRecord, read_records, write_records


@dataclass(frozen=True)
class Item:
    """One question.

    `record` is its prompt; `record.group` names whom or what it is about (a code name, a function), and its spans hold the tokens
    of code names. `candidates` are whole answers, scored by their log-probability; `right` is the place of the right
    one (of the risky one in questions about risk). `cluster` names what shares a stem, for intervals.
    """

    record: PromptRecord
    candidates: tuple[str, ...]
    right: int
    category: str = ""
    cluster: str = ""

    def __post_init__(self) -> None:
        if len(set(self.candidates)) != len(self.candidates) or len(self.candidates) < 2:
            raise AssayError(f"item {self.record.id!r} needs two or more different candidates")
        if not 0 <= self.right < len(self.candidates):
            raise AssayError(f"item {self.record.id!r} has no candidate number {self.right}")


def write_items(path: Path, items: Iterable[Item]) -> int:
    """Write items as prompt records with the fields candidates, right, category and cluster; returns how many."""
    return write_records(path, map(_record, items))


def read_items(path: Path) -> list[Item]:
    """Inverse of `write_items`. Raises AssayError naming the file and the item."""
    items = []
    for record in read_records(path):
        try:
            items.append(_item(record))
        except (AssayError, TypeError, ValueError) as error:
            raise AssayError(f"{path}, item {record.id!r}: {error}") from error
    return items


def _record(item: Item) -> PromptRecord:
    fields = {
        "candidates": list(item.candidates),
        "right": item.right,
        "category": item.category,
        "cluster": item.cluster,
    }
    return PromptRecord(**{**item.record.__dict__, "fields": fields})


def _item(record: PromptRecord) -> Item:
    missing = [name for name in ("candidates", "right") if name not in record.fields]
    if missing:
        raise AssayError(f"field {missing[0]!r} is missing")
    candidates, right = record.fields["candidates"], record.fields["right"]
    if not isinstance(candidates, list) or not isinstance(right, int):
        raise AssayError("candidates must be a list of texts and right a number")
    return Item(
        PromptRecord(**{**record.__dict__, "fields": {}}),
        tuple(map(str, candidates)),
        right,
        str(record.fields.get("category", "")),
        str(record.fields.get("cluster", "")),
    )


def lettered_item(
    record_id: str,
    stem: str,
    options: Sequence[str],
    right: int,
    *,
    instruction: str = "",
    group: str | None = None,
    category: str = "",
    cluster: str = "",
) -> Item:
    """The item that asks for the letter of option number `right`."""
    prompt = lettered(stem, options, instruction)
    record = PromptRecord(id=record_id, messages=(user(prompt),), group=group)
    return Item(record, tuple(LETTERS[: len(options)]), right, category, cluster)
