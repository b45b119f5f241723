import numpy as np
import pytest

from assay.statistics.estimates import Estimate
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.fit_report import calibration_table, fit_metrics
from assay.studies.preferences.utilities.goodness import Calibration, Goodness
from assay.studies.preferences.utilities.thurstone import Utilities

CALIBRATION = Calibration(
    np.array([0, 1 / 3, 2 / 3, 1]), np.array([4, 0, 3]), np.array([1.0, 0, 2]), np.array([2, 0, 1]), 7.0, 0.5, 0.25
)  # fmt: skip
ONE = Estimate(0.75, 0.5, 1.0, 8)
GOODNESS = Goodness(ONE, ONE, ONE, 3.0, ONE, CALIBRATION)
COMPARISONS = Comparisons([0, 1], [1, 0], [3, 1], [1, 2], [1, 0], ids=("a", "b"))


def metrics(errors):
    mu = np.zeros(2)
    fitted = Utilities(("a", "b"), mu, np.ones(2), np.array(errors), 10.0, 2.0, 5, 6, 0.1, 0.2, True)
    return fit_metrics(COMPARISONS, fitted, GOODNESS)


def test_counts_fit_and_goodness_are_flat_numbers():
    found = metrics([0.5, np.nan])
    assert (found["tasks"], found["choices"], found["refusals"]) == (2, 8, 1)  # a refusal is an answer
    assert (found["objective"], found["nll"], found["penalty"]) == (12.0, 10.0, 2.0)
    assert (found["tasks_without_error"], found["median_error"], found["converged"]) == (1, 0.5, 1)
    assert (found["accuracy"], found["accuracy_lo"], found["accuracy_hi"]) == (0.75, 0.5, 1.0)
    assert (found["calibration_chi_square"], found["calibration_error"]) == (7.0, 0.25)
    assert "median_error" not in metrics([np.nan, np.nan])


def test_the_table_holds_the_shares_of_bins_with_choices():
    table = calibration_table(CALIBRATION)
    assert table.to_dict("list") == {
        "from": [0.0, 0.666667],
        "to": [0.333333, 1.0],
        "choices": [4, 3],
        "expected": [0.25, pytest.approx(2 / 3, abs=1e-6)],
        "observed": [0.5, pytest.approx(1 / 3, abs=1e-6)],
    }
