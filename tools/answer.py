"""README's first table: of each study and subject, whether the concept is read and whether it is a lever."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from stages.shared.cli import read_mapping, read_yaml
from tools.metrics_table import Number

ROWS = Path("data/inputs/answer.yaml")
_NUMBER = re.compile(r"\{(\S+) (\S+)\}")


@dataclass(frozen=True)
class Row:
    """What is shown of a concept: two sentences with places for numbers, of every subject or of those named."""

    study: str
    concept: str
    read: str
    lever: str
    subjects: tuple[str, ...] = ()


def table(root: Path, metrics: Mapping[tuple[str, str], Number]) -> str:
    """The rows of answer.yaml, each for its subjects (those of params.yaml by default), side by side.

    Raises AssayError for a number that metrics/ lacks.
    """
    every = tuple(read_mapping(root / "params.yaml")["subjects"])
    lines = ["| study | subject | concept | read | lever |", "|---|---|---|---|---|"]
    for row in read_rows(root / ROWS):
        for subject in row.subjects or every:
            read, lever = (
                with_numbers(text, f"{row.study}/{subject}", metrics) for text in (row.read, row.lever)
            )
            study = f"[{row.study}](stages/{row.study}/README.md)"
            lines.append(f"| {study} | {subject} | {row.concept} | {read} | {lever} |")
    return "\n".join(lines)


def read_rows(path: Path) -> list[Row]:
    """The rows, in order. Raises AssayError that names a malformed one."""
    found = []
    for number, row in enumerate(read_yaml(path), 1):
        try:
            found.append(Row(**row))
        except TypeError as error:
            raise AssayError(f"{path}, row {number}: {error}") from error
    return found


def with_numbers(text: str, folder: str, metrics: Mapping[tuple[str, str], Number]) -> str:
    """The text with each {FILE NAME} replaced by that number of metrics/`folder`/FILE.json, in bold, its interval behind it."""

    def write(match: re.Match[str]) -> str:
        path = f"metrics/{folder}/{match[1]}.json"
        if (path, match[2]) not in metrics:
            raise AssayError(f"{ROWS} shows {match[2]}, which {path} does not hold")
        number = metrics[path, match[2]]
        if number.lower is None or number.upper is None:
            return f"**{number.value:.2f}**"
        return f"**{number.value:.2f}** [{number.lower:.2f}, {number.upper:.2f}]"

    return _NUMBER.sub(write, text)
