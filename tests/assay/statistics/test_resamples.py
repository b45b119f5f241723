import numpy as np
import pytest

from assay.statistics.resamples import resampled_counts


@pytest.mark.parametrize("resamples", [10, 300_000])  # kept for the next statistic, and drawn anew
def test_every_resample_draws_as_many_of_each_stratum_as_there_are(resamples):
    batches = [next(iter(resampled_counts((3, 7), 0, resamples, batch=4))) for _ in range(2)]
    assert batches[0].shape == (4, 10)
    assert (batches[0][:, :3].sum(axis=1) == 3).all()
    assert (batches[0][:, 3:].sum(axis=1) == 7).all()
    np.testing.assert_array_equal(batches[0], batches[1])


def test_what_is_kept_cannot_be_changed():
    (counts,) = resampled_counts((5,), 0, 10, batch=10)
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 1
