import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.utilities.truth import agreement_with_truth, beside_truth, true_columns
from assay.studies.preferences.utilities.utility_files import UtilityTable

KNOWN = pd.DataFrame(
    {"topic": list("xyzxy"), "utility": [1.0, 2, 3, 4, 5], "topic_part": [0.0, 1, 0, 1, 0]}, index=list("abcde")
)  # fmt: skip
MEASURED = UtilityTable(tuple("dacb"), np.array([3.5, 1.2345678, 0, 2]), np.ones(4), np.ones(4))


def test_rows_are_in_the_order_of_the_measured_tasks():
    found = beside_truth("eval", MEASURED, KNOWN)
    assert found["task_id"].tolist() == list("dacb")
    assert found["topic"].tolist() == list("xxzy")
    assert found["true"].tolist() == [4, 1, 3, 2]
    assert found["measured"].tolist() == [3.5, 1.234568, 0, 2]
    assert set(found["split"]) == {"eval"}


def test_each_true_column_is_correlated_with_what_was_measured():
    rng = np.random.default_rng(0)
    ids = [f"t{number}" for number in range(40)]
    known = pd.DataFrame({"utility": rng.normal(size=40), "topic_part": rng.normal(size=40)}, index=ids)
    order = rng.permutation(40)
    mu = rng.normal(size=40) + known["utility"].to_numpy()[order]
    measured = UtilityTable(tuple(ids[i] for i in order), mu, np.ones(40), np.ones(40))
    found = agreement_with_truth(measured, known, Resampling(0, 100))
    for column in ("utility", "topic_part"):
        true = known[column].to_numpy()[order]
        assert found[f"{column}_pearson"] == pytest.approx(np.corrcoef(mu, true)[0, 1])
        assert found[f"{column}_spearman"] == pytest.approx(spearmanr(mu, true).statistic)


def test_tasks_of_which_the_truth_is_not_known_have_rows_and_no_correlation():
    own = KNOWN[[]]
    assert true_columns(own) == []
    assert agreement_with_truth(MEASURED, own, Resampling(0, 100)) == {}
    found = beside_truth("train", MEASURED, own)
    assert found["true"].isna().all()
    assert set(found["topic"]) == {""}


def test_a_task_that_is_not_known_is_named():
    with pytest.raises(AssayError, match="task 'd' has a utility but is not among the tasks"):
        beside_truth("eval", MEASURED, KNOWN.drop(index="d"))
