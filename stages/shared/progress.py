"""Progress of a reading: records, tokens and their rates."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from stages.shared.display import Show, display, time_left


class Meter:
    """Counts records and tokens; rates count only what this run read, not what an earlier one left."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self.records = self.tokens = 0
        self.total_records = self.total_tokens = 0
        self.read_records = self.read_tokens = 0
        self.began = time.monotonic()

    def start(self, records: int, tokens: int) -> None:
        """All records are encoded: so many are to be read."""
        self.total_records, self.total_tokens = records, tokens
        self.began = time.monotonic()
        self.show()

    def resume(self, records: int, tokens: int) -> None:
        """So many were read by an earlier, interrupted run."""
        self.records += records
        self.tokens += tokens
        self.show()

    def advance(self, records: int, tokens: int) -> None:
        """So many more have been read."""
        self.read_records += records
        self.read_tokens += tokens
        self.resume(records, tokens)

    def line(self) -> str:
        """Counts, rates and the estimated time left."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        rate = self.read_tokens / seconds
        left = (self.total_tokens - self.tokens) / rate if rate else 0.0
        return (
            f"{self.records}/{self.total_records} records, {self.read_records / seconds:.1f} records/s, "
            f"{rate:,.0f} tokens/s, {time_left(left)}"
        )

    def show(self) -> None:
        """Show the present state."""
        self._show(self.tokens, self.total_tokens, self.line())


@contextmanager
def reading_progress() -> Iterator[Meter]:
    """A Meter that shows itself."""
    with display("reading") as show:
        yield Meter(show)
