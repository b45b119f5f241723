"""Progress of a training with known steps: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stages.progress import LINE_EVERY

Show = Callable[[int, int, str], None]


@contextmanager
def step_progress(title: str) -> Iterator[Show]:
    """Yield `show(done, total, text)`."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, text="")
        yield lambda done, total, text: bar.update(task, completed=done, total=total, text=text)


def _lines(title: str) -> Show:
    began = shown = time.monotonic()
    first: int | None = None

    def show(done: int, total: int, text: str) -> None:
        nonlocal began, shown, first
        now = time.monotonic()
        if first is None:  # what came before the first step is not its time
            began, first = now, done
        if now - shown >= LINE_EVERY and done > first:
            shown = now
            left = int((now - began) / (done - first) * (total - done))
            print(
                f"{title}: {done}/{total}, {text}, {left // 60}:{left % 60:02d} left",
                file=sys.stderr,
                flush=True,
            )

    return show
