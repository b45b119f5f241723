"""Progress of asking: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stages.progress import LINE_EVERY


class AskingMeter:
    """Counts answers; the rate counts only what this run asked. `total` is the most that will be asked."""

    def __init__(self) -> None:
        self.total = self.answers = self.asked = 0
        self.iteration = 0
        self.rank_correlation = 0.0
        self.began = time.monotonic()

    def start(self, answers: int) -> None:
        """So many answers are wanted, at most."""
        self.total = answers
        self.began = time.monotonic()
        self.show()

    def resume(self, answers: int) -> None:
        """So many came in an earlier, interrupted run."""
        self.answers += answers
        self.show()

    def advance(self, answers: int) -> None:
        """So many more came."""
        self.asked += answers
        self.resume(answers)

    def iterate(self, iteration: int, rank_correlation: float) -> None:
        """An iteration of the active learning ended."""
        self.iteration, self.rank_correlation = iteration, rank_correlation
        self.show()

    def line(self) -> str:
        """Counts, speed, the time left at most, and the rank correlation once there is one."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        rate = self.asked / seconds
        left = int((self.total - self.answers) / rate) if rate else 0
        text = f"{self.answers}/{self.total} answers, {rate:.1f} answers/s, at most {left // 60}:{left % 60:02d} left"
        if self.iteration:
            text += f", iteration {self.iteration}, rank correlation {self.rank_correlation:.4f}"
        return text

    def show(self) -> None:
        """Show the present state."""
        raise NotImplementedError


class _Lines(AskingMeter):
    """Plain lines on stderr, one every LINE_EVERY seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = time.monotonic()

    def show(self) -> None:
        if time.monotonic() - self.shown >= LINE_EVERY:
            self.shown = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)


@contextmanager
def asking_progress() -> Iterator[AskingMeter]:
    """A meter that shows itself: a rich bar where stderr is a terminal, plain lines where it is not."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("asking"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[line]}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("asking", line="")

        class Bar(AskingMeter):
            def show(self) -> None:
                bar.update(task, total=self.total, completed=self.answers, line=self.line())

        yield Bar()
