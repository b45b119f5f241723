"""The page of the preference study: every task with its topic, utility and what the probe says."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from assay.arrays import Floats
from assay.errors import AssayError
from assay.pages.shell import render_page
from assay.studies.preferences.utilities.utility_files import UtilityTable

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


def tasks_of_half(
    split: str, utilities: UtilityTable, scores: Floats, texts: Mapping[str, str], topics: Mapping[str, str]
) -> list[ShownTask]:
    """The rows of one half, whose tasks have `utilities` [n] and the probe's `scores` [n]; a task without a topic has "none".

    Each half was fitted with a zero of its own, so both numbers are shown from their half's mean. Raises AssayError for a
    task without a text.
    """
    if unknown := [task for task in utilities.ids if task not in texts]:
        raise AssayError(f"task {unknown[0]!r} has a utility but no text; give the tasks that were measured")
    centred = zip(utilities.ids, utilities.mu - utilities.mu.mean(), scores - scores.mean(), strict=True)
    return [
        ShownTask(
            text=texts[task],
            topic=topics.get(task, "none"),
            split=split,
            utility=round(float(mu), 4),
            probe=round(float(score), 4),
            error=round(float(score - mu), 4),
        )
        for task, mu, score in centred
    ]


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
