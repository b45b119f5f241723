"""Answers in a subject's own words, and what a grader makes of them. A grader is a rule (`rules`) or a judge (`judging`)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from assay.errors import AssayError
from assay.prompts.records import PromptRecord, read_records

State = Literal["ok", "pending", "error"]


@dataclass(frozen=True)
class OpenItem:
    """One question without candidates.

    `targets` are the texts that the grader compares with (a judge is shown them), `grader` names the item's own one
    ("" for that of the evaluation), and `cluster` what shares a stem, for intervals.
    """

    record: PromptRecord
    targets: tuple[str, ...] = ()
    grader: str = ""
    cluster: str = ""

    @property
    def unit(self) -> str:
        """What an interval resamples: the cluster, or the item itself."""
        return self.cluster or self.record.id


@dataclass(frozen=True)
class OpenAnswer:
    """What a subject said to an item: its text, its tokens, and whether it ended by itself."""

    item: OpenItem
    text: str
    ids: tuple[int, ...] = ()
    stopped: bool = True


@dataclass(frozen=True)
class Score:
    """A number where `state` is "ok", else None: an error, or an answer that no judge has seen yet, is never a score."""

    state: State
    value: float | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.state == "ok"):
            raise AssayError(f"a score has a value exactly where it is ok, found {self.state} {self.value}")


class Grader(Protocol):
    """What makes scores of answers."""

    def grade(self, answers: Sequence[OpenAnswer]) -> list[Score]:
        """One score for each answer, in order."""


def count_states(scores: Sequence[Score]) -> dict[str, int]:
    """How many scores are of each state, all three named."""
    counts = Counter(score.state for score in scores)
    return {f"scores_{state}": counts[state] for state in ("ok", "pending", "error")}


def read_open_items(path: Path) -> list[OpenItem]:
    """Prompt records with the optional fields target (a text or a list of them), grader and cluster.

    Raises AssayError naming the file and the item.
    """
    return [_item(path, record) for record in read_records(path)]


def _item(path: Path, record: PromptRecord) -> OpenItem:
    target = record.fields.get("target", [])
    targets = [target] if isinstance(target, str) else target
    if not isinstance(targets, list) or not all(isinstance(one, str) and one.strip() for one in targets):
        raise AssayError(f"{path}, item {record.id!r}: target must be a text or a list of texts")
    for name in ("grader", "cluster"):
        if not isinstance(record.fields.get(name, ""), str):
            raise AssayError(f"{path}, item {record.id!r}: {name} must be a text")
    return OpenItem(record, tuple(targets), record.fields.get("grader", ""), record.fields.get("cluster", ""))
