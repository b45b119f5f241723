import json

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from assay.errors import AssayError
from assay.studies.preferences.shifts.condition_counts import read_condition_choices


def row(condition, a, b, n_a, n_b, refusals=0, total=None):
    total = n_a + n_b + refusals if total is None else total
    return {
        "condition_id": condition, "task_a": a, "task_b": b, "n_a": n_a, "n_b": n_b, "n_refusals": refusals, "n_total": total,
    }  # fmt: skip


ROWS = [
    row("none", "x", "y", 4, 2),
    row("none", "x", "z", 1, 1, 4),
    row("loud", "y", "x", 0, 6),
    row("loud", "x", "z", 0, 0, 6),
    row("loud", "w", "x", 3, 0, 1, 6),
]


def write(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps({"results": rows}))
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_rates_leave_refusals_out(tmp_path, suffix):
    found = read_condition_choices(write(tmp_path / f"p{suffix}", ROWS))
    assert (found.conditions, found.tasks) == (("none", "loud"), ("x", "y", "z", "w"))
    expected = [[5 / 8, 2 / 6, 1 / 2, np.nan], [6 / 9, 0, np.nan, 1]]
    np.testing.assert_allclose(found.rates(), expected)
    assert found.n_failed == 2


def test_one_condition_becomes_comparisons(tmp_path):
    found = read_condition_choices(write(tmp_path / "p.json", ROWS)).comparisons("loud")
    assert found.ids == ("x", "y", "z", "w")
    assert [found.first.tolist(), found.second.tolist()] == [[1, 0, 3], [0, 2, 0]]
    assert [found.first_wins.tolist(), found.second_wins.tolist()] == [[0, 0, 3], [6, 0, 0]]
    assert found.refusals.tolist() == [0, 6, 1]
    with pytest.raises(AssayError, match="no condition 'quiet'; there are none, loud"):
        read_condition_choices(tmp_path / "p.json").comparisons("quiet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_a": -1}, "field 'n_a': expected a whole number ≥ 0, found -1"),
        ({"n_b": 1.5}, "field 'n_b'"),
        ({"condition_id": None}, "field 'condition_id': expected a text"),
        ({"n_total": 3}, "field 'n_total': 3 is less"),
        ({"task_b": "x"}, "are one task"),
        ({"condition_id": "none", "task_a": "z", "task_b": "x"}, "occur twice under 'none'"),
    ],
)
@pytest.mark.parametrize(("suffix", "place"), [(".json", "row 3"), (".jsonl", "line 3")])
def test_a_malformed_row_is_named(tmp_path, suffix, place, change, message):
    path = write(tmp_path / f"p{suffix}", [*ROWS[:2], {**row("loud", "x", "y", 2, 4), **change}])
    with pytest.raises(AssayError) as error:
        read_condition_choices(path)
    assert str(error.value).startswith(f"{path}, {place}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{}", "list under 'results'"),
        ("p.json", "[1]", "row 1: expected an object"),
        ("p.json", "[]", "holds no pairwise counts"),
        ("p.json", "{", "not valid JSON"),
        ("p.parquet", "x", "not a Parquet file"),
        ("p.csv", "", "suffix"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(AssayError, match=message):
        read_condition_choices(tmp_path / name)
