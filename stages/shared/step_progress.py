"""Progress of work in known steps, with the time that is left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stages.shared.display import Show, display, time_left

Tell = Callable[[int, str], None]
"""(steps done, what to say about them)"""


@contextmanager
def step_progress(title: str, *, closing: bool = False) -> Iterator[Show]:
    """Yield `show(done, total, text)`; what came before its first call is not counted as time of a step.

    With `closing` the last step is shown off a terminal too, however short the work was.
    """
    with display(title, prefix=f"{title}: ", closing=closing) as show:
        yield _timed(show)


@contextmanager
def stepping(title: str, total: int) -> Iterator[Tell]:
    """Yield `tell(done, text)` for `total` steps that begin now."""
    with step_progress(title) as show:
        show(0, total, "")
        yield lambda done, text: show(done, total, text)


def _timed(show: Show) -> Show:
    began = 0.0
    first: int | None = None

    def show_with_time(done: int, total: int, text: str) -> None:
        nonlocal began, first
        now = time.monotonic()
        if first is None:
            began, first = now, done
        parts = [f"{done}/{total}", text]
        if done > first:
            parts.append(time_left((now - began) / (done - first) * (total - done)))
        show(done, total, ", ".join(part for part in parts if part))

    return show_with_time
