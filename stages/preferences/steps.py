"""Progress of work in steps: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stages.progress import LINE_EVERY

Tell = Callable[[int, str], None]
"""(steps done, what to say about them)"""


@contextmanager
def stepping(title: str, total: int) -> Iterator[Tell]:
    """Show how many of `total` steps are done, with the time left."""
    if not sys.stderr.isatty():
        shown = began = time.monotonic()

        def line(done: int, note: str) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= LINE_EVERY:
                shown = now
                left = int((now - began) / max(done, 1) * (total - done))
                print(
                    f"{title} {done}/{total}, {note}, {left // 60}:{left % 60:02d} left",
                    file=sys.stderr,
                    flush=True,
                )

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)
