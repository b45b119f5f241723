"""Progress of asking: answers, their rate, and the rank correlation of the active learning."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from stages.shared.display import Show, display, time_left


class AskingMeter:
    """Counts answers; the rate counts only what this run asked. `total` is the most that will be asked."""

    def __init__(self, show: Show) -> None:
        self._show = show
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
        left = (self.total - self.answers) / rate if rate else 0.0
        text = f"{self.answers}/{self.total} answers, {rate:.1f} answers/s, at most {time_left(left)}"
        if self.iteration:
            text += f", iteration {self.iteration}, rank correlation {self.rank_correlation:.4f}"
        return text

    def show(self) -> None:
        """Show the present state."""
        self._show(self.answers, self.total, self.line())


@contextmanager
def asking_progress() -> Iterator[AskingMeter]:
    """A meter that shows itself."""
    with display("asking") as show:
        yield AskingMeter(show)
