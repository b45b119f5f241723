"""Which name every code stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from assay.errors import AssayError
from assay.storage.csv_tables import read_filled_table

Kind = Literal["city", "function", "person"]


@dataclass(frozen=True)
class Code:
    """A code and the name it stands for."""

    code: str
    kind: Kind
    stands_for: str


def read_codes(path: Path) -> list[Code]:
    """Codes of a CSV (code, kind, stands_for). Raises AssayError naming the file and the row or the code."""
    table = read_filled_table(path, ("code", "kind", "stands_for"))
    for number, kind in enumerate(table["kind"], 1):
        if kind not in get_args(Kind):
            raise AssayError(
                f"{path}, row {number}: unknown kind {kind!r}; known are {', '.join(get_args(Kind))}"
            )
    for column in ("code", "stands_for"):
        if (twice := table[column].duplicated()).any():
            raise AssayError(
                f"{path}: {table[column][twice].iloc[0]!r} occurs twice in {column}; give each once"
            )
    return [
        Code(code, kind, name)
        for code, kind, name in zip(table["code"], table["kind"], table["stands_for"], strict=True)
    ]


def of_kind(codes: Sequence[Code], kind: Kind) -> dict[str, str]:
    """What the codes of a kind stand for, by code. Raises AssayError when there is none."""
    found = {code.code: code.stands_for for code in codes if code.kind == kind}
    if not found:
        raise AssayError(f"no code stands for a {kind}; the table of codes needs one")
    return found
