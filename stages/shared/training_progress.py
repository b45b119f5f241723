"""Progress of a training: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.organism.organism import Watcher
from assay.organism.training import Step

LINE_EVERY = 15.0  # seconds between plain lines


class Rate:
    """Tokens per second of the phase under way, and the time it has left."""

    def __init__(self) -> None:
        self.phase = ""
        self.began = 0.0
        self.tokens = 0

    def text(self, step: Step) -> str:
        """Loss, speed and time left after a step."""
        now = time.monotonic()
        if step.phase != self.phase:  # the first step is not timed: when it began is not known
            self.phase, self.began, self.tokens = step.phase, now, 0
            return f"loss {step.loss:.3f}"
        self.tokens += step.tokens
        seconds = max(now - self.began, 1e-9)
        left = int(seconds / step.number * (step.steps - 1 - step.number))
        return (
            f"loss {step.loss:.3f}, {self.tokens / seconds:,.0f} tokens/s, {left // 60}:{left % 60:02d} left"
        )


@contextmanager
def training_progress() -> Iterator[Watcher]:
    """A watcher that shows every step: a rich bar where stderr is a terminal, plain lines where it is not."""
    rate = Rate()
    if not sys.stderr.isatty():
        yield _lines(rate)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[line]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def show(step: Step, _: Callable[[], object]) -> None:
            if step.phase not in tasks:
                tasks[step.phase] = bar.add_task(step.phase, total=step.steps, line="")
            bar.update(tasks[step.phase], completed=step.number + 1, line=rate.text(step))

        yield show


def _lines(rate: Rate) -> Watcher:
    shown = time.monotonic()

    def show(step: Step, _: Callable[[], object]) -> None:
        nonlocal shown
        text, last = rate.text(step), step.number + 1 == step.steps
        if last or time.monotonic() - shown >= LINE_EVERY:
            shown = time.monotonic()
            print(f"{step.phase} {step.number + 1}/{step.steps}: {text}", file=sys.stderr, flush=True)

    return show
