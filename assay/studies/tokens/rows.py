"""The rows of an activation store that carry a label of one variant."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from assay.activations.store import ActivationStore
from assay.errors import AssayError
from assay.prompts.records import PromptRecord
from assay.studies.tokens.sampling import VARIANTS

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """Labelled rows in the order of the store, one entry per row.

    Attributes:
        row: row of the store (records in order, positions in order within a record).
        label: bool. group: the document, as a code. record: index of the record. position: token index in it.
        before: the text up to and including the position's token.
        n_unlabelled: rows of the same records that belong to the other variant only.
    """

    row: NDArray[np.int64]
    label: NDArray[np.bool_]
    group: NDArray[np.int64]
    record: NDArray[np.int64]
    position: NDArray[np.int64]
    before: list[str]
    n_unlabelled: int

    def digest(self) -> str:
        """SHA-256 of which rows these are and what they say."""
        return sha256(b"".join(a.tobytes() for a in (self.record, self.position, self.label))).hexdigest()


def labelled_rows(records: Sequence[PromptRecord], variant: str, split: str) -> Rows:
    """Rows of `split` that `variant` ("next" or "current") labels. Raises AssayError naming record and field."""
    if variant not in VARIANTS:
        raise AssayError(f"unknown variant {variant!r}; choose {' or '.join(VARIANTS)}")
    groups: dict[str, int] = {}
    table: list[tuple[int, int, int, int, int]] = []
    before: list[str] = []
    first = unlabelled = 0
    for index, record in enumerate(records):
        text, positions, group = _required(record)
        labels, ends = (
            _list_field(record, variant, len(positions)),
            _list_field(record, "ends", len(positions)),
        )
        if record.split == split:
            code = groups.setdefault(group, len(groups))
            for place, (label, end) in enumerate(zip(labels, ends, strict=True)):
                if label is None:
                    unlabelled += 1
                    continue
                table.append((first + place, label, code, index, positions[place]))
                before.append(text[:end])
        first += len(positions)
    if not table:
        raise AssayError(
            f"no position of split {split!r} is labelled for {variant!r}; run the prepare stage again"
        )
    row, label, code, owner, position = np.array(table, dtype=np.int64).T
    return Rows(row, label.astype(bool), code, owner, position, before, unlabelled)


def _required(record: PromptRecord) -> tuple[str, tuple[int, ...], str]:
    if record.text is None or record.positions is None or record.group is None:
        raise AssayError(
            f"record {record.id!r}: the token study needs the fields 'text', 'positions' and 'group'"
        )
    return record.text, record.positions, record.group


def _list_field(record: PromptRecord, name: str, length: int) -> list[int | None]:
    value = record.fields.get(name)
    if not isinstance(value, list) or len(value) != length:
        raise AssayError(
            f"record {record.id!r}: field {name!r} must be a list of {length} values, one per position"
        )
    return value


def check_store(store: ActivationStore, records: Sequence[PromptRecord]) -> None:
    """Raise AssayError unless the store holds exactly the explicit positions of these records, in their order."""
    cure = "run the extraction on these records again"
    if store.ids != [record.id for record in records] or store.offsets is None:
        raise AssayError(f"{store.path} holds other records than the prompts; {cure}")
    sizes = np.array([len(_required(record)[1]) for record in records])
    wrong = np.flatnonzero(np.diff(store.offsets) != sizes)
    if len(wrong):
        raise AssayError(
            f"{store.path}: record {store.ids[wrong[0]]!r} has {np.diff(store.offsets)[wrong[0]]} rows for "
            f"{sizes[wrong[0]]} positions; {cure}"
        )
