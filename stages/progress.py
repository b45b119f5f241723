"""Progress of a reading: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LINE_EVERY = 15.0  # seconds between plain lines


class Meter:
    """Counts records and tokens; rates count only what this run read, not what an earlier one left."""

    def __init__(self) -> None:
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
            f"{rate:,.0f} tokens/s, {int(left) // 60}:{int(left) % 60:02d} left"
        )

    def show(self) -> None:
        """Show the present state."""
        raise NotImplementedError


class _Lines(Meter):
    """Plain lines on stderr, one every LINE_EVERY seconds: short work stays silent."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = time.monotonic()

    def show(self) -> None:
        if time.monotonic() - self.shown >= LINE_EVERY:
            self.shown = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)


@contextmanager
def reading_progress() -> Iterator[Meter]:
    """A Meter that shows itself: a rich bar where stderr is a terminal, plain lines where it is not."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("reading"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[line]}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", line="")

        class Bar(Meter):
            def show(self) -> None:
                bar.update(task, total=self.total_tokens, completed=self.tokens, line=self.line())

        yield Bar()
