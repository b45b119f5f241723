"""How many threads numpy's linear algebra takes: handing out a small product costs more than computing it."""

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits

# A ridge path of 384 features took two threads three times as long as one, of 1,024 three quarters.
LARGE = 1024


def blas_threads(width: int) -> AbstractContextManager[Any]:
    """Within it, one thread for matrices of `width` rows or columns that are not `LARGE`, else as many as there were."""
    limits: AbstractContextManager[Any] = threadpool_limits(1 if width < LARGE else None, "blas")
    return limits
