"""Ratios of two things measured in one run: interleaved repeats, medians."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleave(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each contender; they take turns, in alternating order, so that drift hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats):
        names = list(contenders)[:: 1 if repeat % 2 == 0 else -1]
        for name in names:
            began = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}
