"""Several outputs, all or none: they are written beside their places, and take them together when the work is done."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from assay.errors import AssayError
from assay.storage.leftovers import is_temporary
from assay.storage.moves import finish, recorded, take_place


class _Pending:
    """What waits for the end of a block: moves to the places under `outputs`, and what is to be done after them."""

    def __init__(self, outputs: Sequence[Path]):
        self.outputs = [Path(os.path.realpath(output)) for output in outputs]
        self.moves: dict[Path, Path] = {}  # temporary by place
        self.afterwards: list[Callable[[], None]] = []
        self.held = ExitStack()

    def covers(self, place: Path) -> bool:
        return not is_temporary(place) and any(place.is_relative_to(output) for output in self.outputs)

    def commit(self) -> None:
        place = next(iter(self.moves), Path())
        try:
            with recorded(self.moves, self.outputs):
                for place, temporary in self.moves.items():
                    take_place(temporary, place)
        except OSError as error:
            raise AssayError(f"cannot write {place}: {error.strerror}; run again") from error
        for action in self.afterwards:
            action()


_pending: ContextVar[_Pending | None] = ContextVar("pending", default=None)


@contextmanager
def all_or_none(outputs: Sequence[Path]) -> Iterator[None]:
    """Everything written in this block to `outputs` (files, or anything in folders) appears when the block ends normally.

    After an exception or a kill every one of them is as before, and after a kill while they take their places the next block
    with one of them lets the others follow. What the block writes elsewhere is not delayed.
    """
    pending = _Pending(outputs)
    finish(pending.outputs)
    with pending.held:
        token = _pending.set(pending)
        try:
            yield
        finally:
            _pending.reset(token)
        pending.commit()


@contextmanager
def at_once() -> Iterator[None]:
    """What this block writes takes its place at once, also inside `all_or_none`: a report of what went wrong."""
    token = _pending.set(None)
    try:
        yield
    finally:
        _pending.reset(token)


def settle(place: Path, temporary: Path, held: ExitStack) -> None:
    """Have `temporary` take its `place`; inside `all_or_none`, at its end, and `held` is kept open until then.

    Raises AssayError where two outputs of one block go to the same place.
    """
    pending = _pending.get()
    if pending is None or not pending.covers(place):
        take_place(temporary, place)
        return
    if place in pending.moves:
        raise AssayError(f"two outputs of this command go to {place}; give each a place of its own")
    pending.held.push(held.pop_all())
    pending.moves[place] = temporary


def afterwards(action: Callable[[], None], held: ExitStack) -> None:
    """Do `action`; inside `all_or_none`, when all outputs are in their places, and `held` is kept open until then."""
    pending = _pending.get()
    if pending is None:
        action()
        return
    pending.held.push(held.pop_all())
    pending.afterwards.append(action)
