from pathlib import Path

import numpy as np
import pytest

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.statistics.estimates import Estimate
from assay.studies.preferences.shifts.report import (
    condition_row,
    point_table,
    size_of_shift,
    utility_metrics,
)
from assay.studies.preferences.shifts.statistics import Points

CONDITIONS = np.repeat(["c", "d", "e"], 2)
TASKS = np.tile(["t", "u"], 3)
BEHAVIOUR = np.array([0.5, -0.25, 0.125, 0.1234567, -1, 0])


def test_the_size_of_a_shift_has_no_sign() -> None:
    found = size_of_shift(Points(CONDITIONS, TASKS, BEHAVIOUR), Resampling(0, 200))
    assert found.value == pytest.approx(np.abs(BEHAVIOUR).mean())
    assert found.lower <= found.value <= found.upper


def test_a_table_of_points_holds_what_is_known() -> None:
    bare = Points(CONDITIONS, TASKS, BEHAVIOUR)
    assert list(point_table(bare)) == ["condition", "task", "behaviour"]
    assert point_table(bare)["behaviour"][3] == 0.123457
    full = Points(CONDITIONS, TASKS, BEHAVIOUR, np.arange(6) / 7, np.array([1.0, -1, 0, 0, 1, -1]))
    assert point_table(full)["truth"].tolist() == [1, -1, 0, 0, 1, -1]
    assert point_table(full)["probe"][1] == 0.142857


def test_a_row_names_layer_and_condition() -> None:
    row = condition_row("best", "c", Estimate(0.5, 0.25, 0.75, 9))
    assert row == {"layer": "best", "condition": "c", "r": 0.5, "r_lo": 0.25, "r_hi": 0.75, "r_n": 9}


def test_utilities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    with pytest.raises(AssayError, match="cannot read "):
        utility_metrics(path)
    path.write_text("condition_id,task_id,mu,score\nc,t,1,2\n")
    with pytest.raises(AssayError, match="column default_mu is missing"):
        utility_metrics(path)
    path.write_text("condition_id,task_id,mu,score,default_mu\nc,t,1,2,3\nc,u,1,inf,3\n")
    with pytest.raises(AssayError, match="line 3: field 'score': expected a finite number"):
        utility_metrics(path)
