"""What a running stage shows: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_EVERY = 15.0  # seconds between plain lines

Show = Callable[[int, int, str], None]
"""(done, total, what to say about it)"""


@contextmanager
def display(title: str, *, prefix: str = "", closing: bool = False) -> Iterator[Show]:
    """Yield a `Show`. Plain lines begin with `prefix`, the bar with `title`.

    Short work stays silent off a terminal, but for its last line where `closing` asks for it.
    """
    if not sys.stderr.isatty():
        yield _lines(prefix, closing)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, text="")
        yield lambda done, total, text: bar.update(task, completed=done, total=total, text=text)


def time_left(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} left"


def _lines(prefix: str, closing: bool) -> Show:
    shown = time.monotonic()

    def show(done: int, total: int, text: str) -> None:
        nonlocal shown
        if (closing and done == total) or time.monotonic() - shown >= LINE_EVERY:
            shown = time.monotonic()
            print(f"{prefix}{text}", file=sys.stderr, flush=True)

    return show
