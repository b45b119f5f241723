"""The curves of a fine-tuning as a table and as flat metrics."""

from collections.abc import Sequence

import pandas as pd

from assay.finetuning.loop import Point
from assay.finetuning.trainee import Run
from assay.statistics.estimates import wilson


def run_name(run: Run) -> str:
    """The folder of a run among several."""
    return f"seed_{run.seed}_lr_{run.lr:g}"


def curve_table(points: Sequence[Point], runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each run, split and step; `lr` is the run's, before warm-up and decay."""
    return pd.DataFrame(
        {
            "run": [run_name(runs[point.run]) for point in points],
            "seed": [runs[point.run].seed for point in points],
            "lr": [runs[point.run].lr for point in points],
            "split": [point.split for point in points],
            "epoch": [point.epoch for point in points],
            "step": [point.step for point in points],
            "loss": [round(point.loss, 6) for point in points],
            "accuracy": [round(point.accuracy, 6) for point in points],
        }
    )


def last_accuracies(
    points: Sequence[Point], runs: Sequence[Run], n_validation: int
) -> dict[str, float | int]:
    """Each run's last accuracy on validation rows with its interval, and the one before training."""
    found: dict[str, float | int] = {}
    for number, one in enumerate(runs):
        prefix = f"{run_name(one)}_" if len(runs) > 1 else ""
        judged = [point for point in points if point.run == number and point.split == "validation"]
        if judged:
            before, after = (
                wilson(round(p.accuracy * n_validation), n_validation) for p in (judged[0], judged[-1])
            )
            found |= before.metrics(f"{prefix}validation_accuracy_before")
            found |= after.metrics(f"{prefix}validation_accuracy")
    return found
