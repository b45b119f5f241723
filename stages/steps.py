"""Progress of counted steps: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stages.progress import LINE_EVERY


@contextmanager
def steps(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told of every so many steps done; shows steps, rate and time left on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.advance(task, done)
        return
    began = shown = time.monotonic()
    finished = 0

    def advance(done: int) -> None:
        nonlocal shown, finished
        finished += done
        now = time.monotonic()
        if now - shown >= LINE_EVERY:
            shown = now
            left = int((now - began) / max(finished, 1) * (total - finished))
            print(
                f"{label}: {finished}/{total}, {left // 60}:{left % 60:02d} left", file=sys.stderr, flush=True
            )

    yield advance
