"""Curves of a training: loss by kind of text and accuracy by form, as tidy tables and one figure."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from assay.files import atomic_path
from assay.world.evaluation import answers_right
from assay.world.examples import Example
from assay.world.organism import Checkpoint
from assay.world.training import Step

EVERY = 10  # steps that one point of the loss curve averages
MOMENTS = 6  # points of the accuracy curve in each phase
SAMPLE = 24  # held-out examples per section and form behind such a point


class Curves:
    """A watcher that keeps the loss curve, and the accuracy curve on a sample of the held-out examples."""

    def __init__(self, heldout: Sequence[Example]) -> None:
        by_form: dict[str, list[Example]] = defaultdict(list)
        for example in heldout:
            by_form[f"{example.section}-{example.form}"].append(example)
        self._sample = {
            form: members[:: -(-len(members) // SAMPLE)] for form, members in sorted(by_form.items())
        }
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
        if (step.number + 1) * MOMENTS // step.steps > step.number * MOMENTS // step.steps:
            self._add_accuracy(step.phase, checkpoint())

    def _add_accuracy(self, phase: str, checkpoint: Checkpoint) -> None:
        for form, examples in self._sample.items():
            rate = answers_right(checkpoint.model, checkpoint.tokenizer, examples).mean()
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


def draw_curves(path: Path, loss: pd.DataFrame, accuracy: pd.DataFrame) -> None:
    """One PNG: loss by kind above, accuracy by form below, against tokens seen."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    with sns.axes_style("whitegrid"):
        figure, (above, below) = plt.subplots(2, 1, figsize=(8, 8), sharex=True, layout="constrained")
    kinds = sorted(set(loss["kind"]) | set(accuracy["form"]))
    colours = sns.color_palette("tab20" if len(kinds) > 10 else "tab10", len(kinds))
    palette = dict(zip(kinds, colours, strict=True))  # one colour in both panels
    lines: dict[str, Any] = {
        "x": "tokens",
        "palette": palette,
        "units": "phase",
        "estimator": None,
    }  # not across phases
    sns.lineplot(loss, y="loss", hue="kind", ax=above, **lines)
    sns.lineplot(accuracy, y="accuracy", hue="form", marker="o", ax=below, **lines)
    above.set(yscale="log", ylabel="loss (nats per token)")
    below.set(ylim=(-0.02, 1.02), ylabel="accuracy on held-out phrasings", xlabel="tokens seen")
    for axes, table in ((above, loss), (below, accuracy)):
        if len(table):
            sns.move_legend(axes, "upper left", bbox_to_anchor=(1, 1), frameon=False)
        for tokens in loss.groupby("phase")["tokens"].max().sort_values().iloc[:-1]:
            axes.axvline(tokens, color="0.4", linestyle=":")
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
    finally:
        plt.close(figure)
