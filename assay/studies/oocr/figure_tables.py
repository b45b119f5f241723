"""What the study's figures show, as tidy tables made of the tables that the evaluation wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from assay.errors import AssayError
from assay.evaluation.subjects import BASE

Axis = Literal["layer", "lr", "step"]
NEEDED = (
    "questions",
    "adapter",
    "layer",
    "lr",
    "step",
    "category",
    "group",
    "statistic",
    "value",
    "lower",
    "upper",
    "n",
    "sd",
    "chance",
    "majority",
    "checkpoint",
)
NAMES = ("questions", "adapter", "category", "group", "statistic")
"""The columns of names: 001 is one."""
SHOWN = ("accuracy", "margin")
OVERALL = "all"
_FIELDS = ("task", "bars", "flip", "majority")
_KEY = ["questions", "adapter", "layer", "lr", "step", "category", "group", "statistic"]


@dataclass(frozen=True)
class TaskBars:
    """Bars side by side: the label of each, and the question set and adapter that it shows.

    `flip` shows the share of the other candidate (safe, where the right one is risky). `majority` takes always the most
    frequent answer for chance, where answers are unbalanced.
    """

    name: str
    bars: Mapping[str, tuple[str, str]]
    flip: bool
    majority: bool


def parse_tasks(value: Any) -> list[TaskBars]:
    """Tasks from a list of {task, bars: {label: "questions/adapter"}, flip or majority}. Raises AssayError that numbers the entry."""
    if not isinstance(value, list) or not value:
        raise AssayError("expected a list of {task, bars} with one entry or more")
    return [_task(number, one) for number, one in enumerate(value, 1)]


def join_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several evaluations as one; what several of them hold (the base model) is taken from the first. Differences from
    other adapters are left out: what they are taken from may be another adapter in each.

    Raises AssayError where two disagree by more than rounding, which may turn one item round.
    """
    joined = pd.concat(tables, ignore_index=True)
    joined = joined[~joined["statistic"].str.contains("_minus_")].reset_index(drop=True)
    first = joined.groupby(_KEY, dropna=False)[["value", "n"]].transform("first")
    off = (joined["value"] - first["value"]).abs() > np.maximum(0.02 * first["value"].abs(), 1 / first["n"])
    if (off | (joined["n"] != first["n"])).any():
        row = joined[off | (joined["n"] != first["n"])].iloc[0]
        raise AssayError(
            f"two tables disagree on the {row['statistic']} of {row['adapter']!r} on {row['questions']!r}; evaluate them "
            "alike, or name the adapters differently"
        )
    return joined.drop_duplicates(_KEY, ignore_index=True)


def bars_table(table: pd.DataFrame, tasks: Sequence[TaskBars]) -> pd.DataFrame:
    """One row for each bar: task, label, value (accuracy), lower, upper, n, sd, chance."""
    final = table[(table["checkpoint"] == 0) & (table["statistic"] == "accuracy") & _overall(table)]
    rows = []
    for task in tasks:
        for label, (questions, adapter) in task.bars.items():
            found = final[(final["questions"] == questions) & (final["adapter"] == adapter)]
            if len(found) != 1:
                raise AssayError(
                    f"{task.name}, {label}: {len(found)} accuracies of {adapter!r} on {questions!r}; there must be one. Check "
                    "the names"
                )
            row = found.iloc[0]
            guess = "majority" if task.majority else "chance"
            value, lower, upper, chance = (float(row[name]) for name in ("value", "lower", "upper", guess))
            if task.flip:
                value, lower, upper, chance = 1 - value, 1 - upper, 1 - lower, 1 - chance
            rows.append(
                {
                    "task": task.name,
                    "label": label,
                    "value": round(value, 6),
                    "lower": round(lower, 6),
                    "upper": round(upper, 6),
                    "n": int(row["n"]),
                    "sd": row["sd"],
                    "chance": chance,
                }
            )
    return pd.DataFrame(rows)


def curve_table(table: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """Accuracy and margin along an axis: questions, series, statistic, the axis, value, lower, upper, sd, chance.

    A series is an adapter that has two places on the axis or more, or adapters named NAME_layer_3, NAME_layer_4 and so on
    (NAME_lr_0.1, as the evaluation names learning rates). What has none (the base model, adapters of several
    layers) is kept with an empty place, to be drawn across; question sets without a series are left out. Raises
    AssayError where there is none at all.
    """
    rows = table[_overall(table) & table["statistic"].isin(SHOWN)].copy()
    if axis != "step":
        rows = rows[rows["checkpoint"] == 0]
    rows["series"] = [
        str(name).replace(f"_{axis}_{place}", "")
        for name, place in zip(rows["adapter"], _texts(rows[axis]), strict=True)
    ]
    rows["place"] = pd.to_numeric(rows[axis], errors="coerce").where(rows["adapter"] != BASE)
    n_places = rows.groupby(["questions", "series"])["place"].transform("nunique")
    if not (n_places > 1).any():
        raise AssayError(f"no adapter has two places on the axis {axis!r}; give tables of a sweep")
    rows = rows[(n_places > 1) | (rows["place"].isna() & (n_places == 0))]
    rows = rows[rows["questions"].isin(rows.loc[rows["place"].notna(), "questions"])]
    _check_single(rows, axis)
    columns = ["questions", "series", "statistic", "place", "value", "lower", "upper", "sd", "chance"]
    order = {name: number for number, name in enumerate(dict.fromkeys(rows["questions"]))}
    rows = rows.assign(order=rows["questions"].map(order)).sort_values(
        ["order", "statistic", "series", "place"], kind="stable", ignore_index=True
    )
    return rows[columns].rename(columns={"place": axis})


def category_table(table: pd.DataFrame, questions: str, adapters: Sequence[str]) -> pd.DataFrame:
    """Margin and accuracy by category (system prompt) and over all of them, for the base model and adapters in order.

    Groups of items (orders of options) stay apart where the table has them: their mean would hide an adapter that gives the same
    letter to everything.
    """
    rows = table[
        (table["questions"] == questions) & (table["checkpoint"] == 0) & table["statistic"].isin(SHOWN)
    ].copy()
    known = list(dict.fromkeys(rows["adapter"]))
    wanted = list(adapters) or known
    if not known or not set(wanted) <= set(known):
        raise AssayError(
            f"the tables hold {known} of the question set {questions!r}, and not {wanted}; check the names"
        )
    rows = rows[rows["adapter"].isin(wanted)]
    if (rows["group"] != "").any():
        rows = rows[rows["group"] != ""]
    rows["category"] = rows["category"].replace("", OVERALL)
    rows["order"] = [wanted.index(name) for name in rows["adapter"]]
    rows["last"] = rows["category"] == OVERALL
    rows = rows.sort_values(
        ["statistic", "group", "last", "category", "order"], kind="stable", ignore_index=True
    )
    return rows[["group", "category", "adapter", "statistic", "value", "lower", "upper", "n", "sd"]]


def training_table(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The fine-tuning stage's curves of several adapters: adapter, run, split, step, loss, accuracy."""
    parts = [table.assign(adapter=name) for name, table in curves.items()]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["adapter", "run", "split", "step", "loss", "accuracy"]]


def _overall(table: pd.DataFrame) -> pd.Series:
    """Which rows are over all items."""
    return (table["category"] == "") & (table["group"] == "")


def _texts(column: pd.Series) -> list[str]:
    """Places on an axis as they stand in names: 3 and not 3.0."""
    return [f"{value:g}" if isinstance(value, (int, float)) else str(value) for value in column]


def _check_single(rows: pd.DataFrame, axis: Axis) -> None:
    """An adapter has one value at one place: a sweep over something else would be drawn on top of itself."""
    placed = rows[rows["place"].notna()]
    twice = placed.duplicated(["questions", "series", "statistic", "place"])
    if twice.any():
        row = placed[twice].iloc[0]
        raise AssayError(
            f"{row['series']!r} has several values at {axis} {row['place']:g}; give tables in which only the {axis} varies"
        )


def _task(number: int, value: Any) -> TaskBars:
    if not isinstance(value, dict) or not set(value) <= {*_FIELDS} or not value.get("bars"):
        raise AssayError(
            f"entry {number}: expected {{task, bars}} and maybe flip or majority, found {value!r}"
        )
    flip, majority = (bool(value.get(name, False)) for name in ("flip", "majority"))
    if flip and majority:
        raise AssayError(f"entry {number}: flip and majority exclude each other; leave one of them out")
    bars = {}
    for label, place in value["bars"].items():
        questions, slash, adapter = str(place).partition("/")
        if not slash:
            raise AssayError(f"entry {number}, {label}: expected QUESTIONS/ADAPTER, found {place!r}")
        bars[str(label)] = (questions, adapter)
    return TaskBars(str(value.get("task", number)), bars, flip, majority)
