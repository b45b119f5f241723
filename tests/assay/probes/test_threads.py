import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from assay.probes.threads import LARGE, blas_threads


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_small_matrices_take_one_thread_and_large_ones_what_there_is():
    assert np.ones(3) @ np.ones(3) == 3  # numpy's library is loaded
    with threadpool_limits(2, "blas"):
        before = threads()
        with blas_threads(LARGE - 1):
            assert threads() == {1}
        assert threads() == before
        with blas_threads(LARGE):
            assert threads() == before
