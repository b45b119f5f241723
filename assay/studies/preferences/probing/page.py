"""The page of the preference study: every task with its topic, utility and what the probe says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from assay.pages.shell import render_page

COLUMNS = (
    ("text", "Task", False),
    ("topic", "Topic", False),
    ("split", "Probe", False),
    ("utility", "Utility", True),
    ("probe", "Probe's score", True),
    ("error", "Score − utility", True),
)
SPLITS = {"train": "trained on", "eval": "held out"}


@dataclass(frozen=True)
class ShownTask:
    """A row: `split` is "train" or "eval", `utility` the measured μ and `probe` the score, each from the
    mean of its half, `error` their difference.
    """

    text: str
    topic: str
    split: str
    utility: float
    probe: float
    error: float


def render_tasks(tasks: Sequence[ShownTask], *, model: str, layer: int) -> str:
    """The page as HTML, sorted by utility."""
    return render_page(
        __package__,
        "tasks.html",
        style="tasks.css",
        script="tasks.js",
        values={
            "model": model,
            "layer": layer,
            "topics": sorted({task.topic for task in tasks}),
            "columns": [{"key": key, "name": name, "number": number} for key, name, number in COLUMNS],
            "data": {"tasks": [asdict(task) for task in tasks], "splits": SPLITS},
        },
    )
