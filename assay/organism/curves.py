"""Curves of a training: loss by kind of text and accuracy by form, as tidy tables and one figure."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import pandas as pd

from assay.organism.accuracy import answers_right, met_by
from assay.organism.organism import PHASES, Checkpoint
from assay.organism.training import Step
from assay.storage.files import atomic_path
from assay.world.examples import Example

EVERY = 10  # steps that one point of the loss curve averages
MOMENTS = 3  # points of the accuracy curve in each phase after the primer
# matplotlib's tab10 without its grey, which is the prose's, and two more
COLOURS = (
    "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown",
    "tab:pink", "tab:olive", "tab:cyan", "black", "navy",
)  # fmt: skip
SAMPLE = 16  # held-out examples per section and form behind such a point


class Curves:
    """A watcher that keeps the loss curve, and the accuracy curve on a sample of the held-out examples."""

    def __init__(self, heldout: Sequence[Example]) -> None:
        by_form: dict[str, list[Example]] = defaultdict(list)
        for example in heldout:
            by_form[_kind(example)].append(example)
        self._sample = [
            example for members in by_form.values() for example in members[:: -(-len(members) // SAMPLE)]
        ]
        self.tokens = 0
        self._loss: list[dict[str, object]] = []
        self._accuracy: list[dict[str, object]] = []
        self._window: dict[str, list[float]] = defaultdict(list)

    def __call__(self, step: Step, checkpoint: Callable[[], Checkpoint]) -> None:
        """Take in one step."""
        self.tokens += step.tokens
        for kind, loss in step.losses.items():
            self._window[kind].append(loss)
        if (step.number + 1) % EVERY == 0 or step.number + 1 == step.steps:
            for kind, losses in sorted(self._window.items()):
                mean = sum(losses) / len(losses)
                self._loss.append(
                    {"tokens": self.tokens, "phase": step.phase, "kind": kind, "loss": round(mean, 5)}
                )
            self._window.clear()
        is_moment = (step.number + 1) * MOMENTS // step.steps > step.number * MOMENTS // step.steps
        if is_moment and step.phase != PHASES[0]:  # the primer is an exercise, of which nothing is held out
            self._add_accuracy(step.phase, checkpoint())

    def _add_accuracy(self, phase: str, checkpoint: Checkpoint) -> None:
        asked = met_by(phase, self._sample)
        right = answers_right(checkpoint.model, checkpoint.tokenizer, asked)
        rates = pd.Series(right, [_kind(example) for example in asked]).groupby(level=0).mean()
        for form, rate in rates.items():
            self._accuracy.append(
                {"tokens": self.tokens, "phase": phase, "form": form, "accuracy": round(float(rate), 5)}
            )

    @property
    def loss(self) -> pd.DataFrame:
        """Columns tokens, phase, kind, loss (nats per token of prose or of an answer)."""
        return pd.DataFrame(self._loss, columns=["tokens", "phase", "kind", "loss"])

    @property
    def accuracy(self) -> pd.DataFrame:
        """Columns tokens, phase, form, accuracy (on a sample of held-out phrasings)."""
        return pd.DataFrame(self._accuracy, columns=["tokens", "phase", "form", "accuracy"])


def _kind(example: Example) -> str:
    return f"{example.section}-{example.form}"


def draw_curves(path: Path, loss: pd.DataFrame, accuracy: pd.DataFrame) -> None:
    """One PNG, against tokens seen: a column for each section, loss above and held-out accuracy below, a colour for each form."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.lines import Line2D

    tables = [
        pd.concat([table, _section_and_form(table[kind])], axis=1)
        for table, kind in ((loss, "kind"), (accuracy, "form"))
    ]
    ends = loss.groupby("phase")["tokens"].max().sort_values()
    sections = sorted(set(tables[0]["section"]) | set(tables[1]["section"]))
    forms = sorted((set(tables[0]["asked as"]) | set(tables[1]["asked as"])) - {""})
    palette = dict(zip(forms, cycle(COLOURS), strict=False))
    palette[""] = "dimgray"
    with sns.axes_style("whitegrid"):
        figure, grid = plt.subplots(
            2,
            len(sections),
            figsize=(2 + 2.1 * len(sections), 5),
            sharex=True,
            sharey="row",
            squeeze=False,
            layout="constrained",
        )
    for row, table in zip(grid, tables, strict=True):
        for axes, section in zip(row, sections, strict=True):
            own = table[table["section"] == section]
            for (form, _), line in own.groupby(["asked as", "phase"], sort=False):  # not across phases
                mark = "o" if "accuracy" in table else ""
                axes.plot(line["tokens"], line[table.columns[3]], color=palette[form], marker=mark, ms=3)
            for end in ends.iloc[:-1]:
                axes.axvline(end, color="0.4", linestyle=":")
    for axes, section in zip(grid[0], sections, strict=True):
        axes.set_title(section)
    roomy = grid[0, sections.index("prose") if "prose" in sections else 0]
    for phase, end in ends.items():
        where = roomy.get_xaxis_transform()
        roomy.text(end, 0.02, f"{phase} ", rotation=90, size=8, ha="right", va="bottom", transform=where)
    grid[0, 0].set(yscale="log", ylabel="loss (nats per token)")
    grid[1, 0].set(ylim=(-0.02, 1.02), ylabel="accuracy, held out")
    grid[1, 0].xaxis.set_major_formatter(lambda tokens, _: f"{tokens / 1e6:g}")
    figure.supxlabel("million tokens seen (dotted: ends of phases)")
    handles = [Line2D([], [], color=palette[form], label=form) for form in forms]
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
    finally:
        plt.close(figure)


def _section_and_form(kinds: pd.Series) -> pd.DataFrame:
    """`facts-choice` is section facts, asked as choice; prose is a section of its own."""
    parts = kinds.astype(str).str.partition("-")
    return pd.DataFrame({"section": parts[0], "asked as": parts[2]}, index=kinds.index)
