import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.preferences.probing.page import ShownTask, tasks_of_half
from assay.studies.preferences.utilities.utility_files import UtilityTable

MEASURED = UtilityTable(("a", "b"), np.array([1.0, 3.0]), np.ones(2), np.ones(2))


def test_utilities_and_scores_are_shown_from_the_mean_of_their_half():
    found = tasks_of_half("train", MEASURED, np.array([10.0, 11.0]), {"a": "A", "b": "B"}, {"a": "music"})
    assert found == [
        ShownTask(text="A", topic="music", split="train", utility=-1.0, probe=-0.5, error=0.5),
        ShownTask(text="B", topic="none", split="train", utility=1.0, probe=0.5, error=-0.5),
    ]


def test_a_task_without_a_text_is_named():
    with pytest.raises(AssayError, match="task 'b' has a utility but no text"):
        tasks_of_half("eval", MEASURED, np.zeros(2), {"a": "A"}, {})
