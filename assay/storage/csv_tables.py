"""CSV files: ours, and those that people write, read strictly: a row has as many values as the header has names, so no column shifts."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from assay.errors import AssayError
from assay.storage.files import write_text

QUOTED_THEN_BLANKS = re.compile(r'("(?:[^"]|"")*")[ \t]+(?=[,\r\n]|$)|"(?:[^"]|"")*"')
LONGEST_VALUE = 2**31 - 1  # characters; the csv module stops at 131,072 otherwise
WHOLE_NUMBER = r"\s*-?(?:0|[1-9][0-9]{0,17})\s*"
NUMBER = re.compile(
    r"\s*[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*|\s*[+-]?inf\s*"
)
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


def iter_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line where it begins, value by column) of every row, all values as they are written.

    UTF-8 with or without a byte order mark, any line ends; blank lines are passed over, and so is a column without a name.
    Raises AssayError naming the file, and the line of a row with another number of values than the header or the column of
    `columns` that is missing.
    """
    return _opened(path, columns)[1]


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of a CSV as `iter_rows` reads them, all columns in their order."""
    names, rows = _opened(path, columns)
    return pd.DataFrame([row for _, row in rows], columns=[name for name in names if name], dtype=str)


def read_filled_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The same less white space around values, refusing a file without rows and a row with one of `columns` empty."""
    table = read_table(path, columns).map(str.strip)
    if table.empty:
        raise AssayError(f"{path} holds no row below its header")
    for name in columns:
        if (empty := table[name] == "").any():
            raise AssayError(f"{path}, row {int(empty.argmax()) + 1}: column {name} is empty")
    return table


def write_csv(target: Path, table: pd.DataFrame) -> None:
    """Write the columns of `table`, not its index, whole or not at all. Lines end in a line feed."""
    write_text(target, table.to_csv(index=False, lineterminator="\n"))


def read_numbers(path: Path, columns: Sequence[str], *, texts: Sequence[str] = ()) -> pd.DataFrame:
    """The same table whose columns of numbers are numbers, NaN where a value is empty; `texts` stay as they are written.

    No name is taken for a missing value (NA, null and nan are names) or for a number that is not written as one (001, 1_000).
    """
    table = read_table(path, columns)
    for name in table:
        if name not in texts:
            table[name] = _converted(table[name])
    return table


def parse_boolean(where: str, text: str) -> bool:
    """true, yes and 1 in any case, or false, no, 0 and nothing. Raises AssayError beginning with `where` for another word."""
    word = text.strip().lower()
    if word not in BOOLEANS:
        raise AssayError(f"{where}: expected true or false, found {text!r}")
    return BOOLEANS[word]


def _converted(column: pd.Series) -> pd.Series:
    """Numbers where all values but empty ones are written as such, booleans where all are, else texts; NaN for an empty one."""
    filled = column[column != ""]
    if filled.isin(("True", "False")).all() and len(filled) == len(column) > 0:
        return column == "True"
    if not all(map(NUMBER.fullmatch, filled)):
        return column.mask(column == "")
    if len(filled) == len(column) > 0 and filled.str.fullmatch(WHOLE_NUMBER).all():
        return column.astype("int64")
    return pd.Series(
        [float(value or "nan") for value in column], column.index, dtype="float64", name=column.name
    )


def _opened(path: Path, columns: Sequence[str]) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The names of a table's columns, and its rows."""
    records = _records(path)
    _, header = next(records, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, names, columns)
    return names, _rows(path, names, records)


def _rows(
    path: Path, names: Sequence[str], records: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, values in records:
        if len(values) != len(names):
            raise AssayError(
                f"{path}, line {line}: {len(values)} values under {len(names)} names; quote values with commas, and end no "
                "line with one"
            )
        row = dict(zip(names, values, strict=True))
        if "" in row:
            _refuse_stray(path, line, names, values)
            del row[""]
        yield line, row


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, values) of the header and of every row that is not blank."""
    csv.field_size_limit(LONGEST_VALUE)
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            lines = _Lines(handle)
            reader = csv.reader(lines, strict=True)
            line = 1
            for values in reader:
                lines.quoted = False
                if values:
                    yield line, values
                line = reader.line_num + 1
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise AssayError(f"{path}, line {line}: not a CSV table: {error}") from error


class _Lines:
    """The lines of a CSV without the blanks after a closing quote, which published tables have and a strict reader refuses."""

    def __init__(self, lines: Iterable[str]):
        self._lines = iter(lines)
        self.quoted = False  # the next line begins within quotes; the reader's owner resets it after each row

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        opened = '"' * self.quoted
        self.quoted ^= bool(line.count('"') % 2)
        if '" ' not in line and '"\t' not in line:
            return line
        return QUOTED_THEN_BLANKS.sub(lambda found: found[1] or found[0], opened + line)[len(opened) :]


def _check_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    if not any(names):
        raise AssayError(f"{path} is empty; a table begins with the names of its columns")
    if len(names) == 1 and (mark := next((mark for mark in ";\t|" if mark in names[0]), "")):
        kind = {";": "semicolons", "\t": "tabs", "|": "bars"}[mark]
        raise AssayError(f"{path}, line 1: values are separated by {kind}; save the table with commas")
    twice = [name for place, name in enumerate(names) if name and name in names[:place]]
    if twice:
        raise AssayError(f"{path}, line 1: column {twice[0]!r} occurs twice; rename one of them")
    if missing := [name for name in columns if name not in names]:
        raise AssayError(
            f"{path}: column {', '.join(missing)} is missing; it has {', '.join(filter(None, names))}"
        )


def _refuse_stray(path: Path, line: int, names: Sequence[str], values: Sequence[str]) -> None:
    """No value may stand under no name, unless in the first column, where tables keep row numbers."""
    for name, value in list(zip(names, values, strict=True))[1:]:
        if not name and value.strip():
            raise AssayError(f"{path}, line {line}: {value!r} stands under no name; quote values with commas")
