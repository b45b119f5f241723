"""Curves of two runs, by hand."""

from assay.finetuning.curves import curve_table, last_accuracies
from assay.finetuning.loop import Point
from assay.finetuning.trainee import Run
from assay.statistics.estimates import wilson

RUNS = [Run(0, 0.1), Run(1, 0.02)]
POINTS = [
    Point(0, 0, 0, "validation", 2.0, 0.25),
    Point(1, 0, 0, "validation", 2.0, 0.25),
    Point(0, 1, 1, "train", 1.23456789, 1 / 3),
    Point(0, 1, 1, "validation", 1.0, 0.75),
    Point(1, 1, 1, "validation", 0.5, 1.0),
]


def test_the_table_has_one_row_for_each_point() -> None:
    assert curve_table(POINTS, RUNS).to_dict("records")[2] == {
        "run": "seed_0_lr_0.1",
        "seed": 0,
        "lr": 0.1,
        "split": "train",
        "epoch": 1,
        "step": 1,
        "loss": 1.234568,
        "accuracy": 0.333333,
    }
    assert curve_table(POINTS, RUNS)["run"].tolist()[-1] == "seed_1_lr_0.02"


def test_accuracies_are_of_the_first_and_the_last_validation() -> None:
    found = last_accuracies(POINTS, RUNS, 8)
    assert found["seed_0_lr_0.1_validation_accuracy_before"] == 0.25
    assert found["seed_0_lr_0.1_validation_accuracy"] == 0.75
    assert found["seed_1_lr_0.02_validation_accuracy_lo"] == wilson(8, 8).lower
    alone = last_accuracies([point for point in POINTS if point.run == 0], RUNS[:1], 8)
    assert alone["validation_accuracy_n"] == 8
    assert last_accuracies([POINTS[2]], RUNS[:1], 8) == {}
