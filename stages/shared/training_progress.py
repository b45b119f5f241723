"""Progress of a training: each of its phases with loss, speed and the time that is left."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from assay.organism.organism import Watcher
from assay.organism.training import Step
from stages.shared.display import Show
from stages.shared.step_progress import step_progress


@contextmanager
def training_progress() -> Iterator[Watcher]:
    """A watcher that shows every step, and the last one of a phase wherever stderr goes."""
    with ExitStack() as stack:
        phase = ""
        tell: Callable[[Step], None]

        def watch(step: Step, _: Callable[[], object]) -> None:
            nonlocal phase, tell
            if step.phase != phase:
                stack.close()
                phase = step.phase
                tell = _telling(stack.enter_context(step_progress(phase, closing=True)))
            tell(step)

        yield watch


def _telling(show: Show) -> Callable[[Step], None]:
    """Shows the steps of one phase; the first one is not timed, since when it began is not known."""
    began: float | None = None
    tokens = 0

    def tell(step: Step) -> None:
        nonlocal began, tokens
        now = time.monotonic()
        text = f"loss {step.loss:.3f}"
        if began is None:
            began = now
        else:
            tokens += step.tokens
            text += f", {tokens / max(now - began, 1e-9):,.0f} tokens/s"
        show(step.number + 1, step.steps, text)

    return tell
