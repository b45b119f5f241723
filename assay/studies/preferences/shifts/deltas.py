"""Files of probe deltas, joined to behavioural deltas.

Ours is a CSV with `condition_id`, `task_id` and `probe_delta`, optionally `layer` and `truth` (+1, −1, 0). The published JSON,
{experiment: {layer: {behavioral_deltas, probe_deltas, condition_labels}}} or nested deeper, names no tasks: its points come
condition by condition with the tasks in one order, so a task is recognised by its behavioural deltas over all conditions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.storage.csv_tables import iter_rows
from assay.storage.json_text import read_document
from assay.studies.preferences.shifts.statistics import Points

REQUIRED = ("condition_id", "task_id", "probe_delta")
PUBLISHED = ("behavioral_deltas", "probe_deltas", "condition_labels")


@dataclass(frozen=True, eq=False)
class LayerDeltas:
    """The points that one layer's probe was asked about.

    Attributes:
        layer: as named in the file; empty where it names none.
        points: with probe deltas, and truth where the file gives it.
        n_unmatched: probe deltas without a behavioural delta (nothing was answered there), left out.
    """

    layer: str
    points: Points
    n_unmatched: int


def join_deltas(path: Path, behaviour: Points) -> list[LayerDeltas]:
    """Read probe deltas (.csv or published .json) and join them to `behaviour`; one entry per layer in file order.

    Raises AssayError naming file and row or key when something is missing, wrong or fits no behavioural delta.
    """
    path = Path(path)
    if path.suffix == ".csv":
        return _join_csv(path, behaviour)
    if path.suffix == ".json":
        return _join_published(path, behaviour)
    raise AssayError(f"{path}: probe deltas come as .csv or as the published .json")


def with_truth(layers: Sequence[LayerDeltas], path: Path) -> tuple[list[LayerDeltas], int]:
    """The layers with what the conditions aim at, from a CSV of condition_id, task_id and truth (+1, −1; 0 for points that it does
    not name), and how many of its rows are no point of any layer.

    Published deltas hold no truth. Raises AssayError naming file and line for another value, a point named twice, and deltas
    that bring a truth of their own.
    """
    if any(layer.points.truth is not None for layer in layers):
        raise AssayError(
            f"the deltas say what their conditions aim at; leave {path} out, or the column 'truth'"
        )
    aims: dict[tuple[str, str], float] = {}
    for line, row in iter_rows(path, ("condition_id", "task_id", "truth")):
        aim = _number(f"{path}, line {line}", "truth", row["truth"])
        point = row["condition_id"], row["task_id"]
        if aim not in (-1, 0, 1) or point in aims:
            what = "occurs twice" if point in aims else f"has the truth {row['truth']}, which is 1, -1 or 0"
            raise AssayError(f"{path}, line {line}: {row['task_id']!r} under {row['condition_id']!r} {what}")
        aims[point] = aim
    known = {point for layer in layers for point in _places(layer.points)}
    if not any(aims[point] for point in known & set(aims)):
        raise AssayError(f"{path} names no point that a condition aims at; check its conditions and tasks")
    found = [
        replace(
            layer,
            points=replace(layer.points, truth=np.array([aims.get(p, 0.0) for p in _places(layer.points)])),
        )
        for layer in layers
    ]
    return found, len(set(aims) - known)


def _places(points: Points) -> list[tuple[str, str]]:
    return list(zip(points.condition.tolist(), points.task.tolist(), strict=True))


def _join_csv(path: Path, behaviour: Points) -> list[LayerDeltas]:
    index = {pair: i for i, pair in enumerate(zip(behaviour.condition, behaviour.task, strict=True))}
    known = set(behaviour.condition.tolist())
    layers: dict[str, dict[int, tuple[float, float]]] = {}
    unmatched: dict[str, int] = {}
    with_truth = False
    for line, row in iter_rows(path, REQUIRED):
        where = f"{path}, line {line}"
        if row["condition_id"] not in known:
            raise AssayError(
                f"{where}: field 'condition_id': no choices under {row['condition_id']!r} beside the baseline's"
            )
        delta = _number(where, "probe_delta", row["probe_delta"])
        truth = _number(where, "truth", row["truth"]) if "truth" in row else math.nan
        layer = row.get("layer", "")
        found = layers.setdefault(layer, {})
        place = index.get((row["condition_id"], row["task_id"]))
        if place is None:
            unmatched[layer] = unmatched.get(layer, 0) + 1
        elif place in found:
            raise AssayError(f"{where}: field 'task_id': {row['task_id']!r} occurs twice")
        else:
            found[place] = delta, truth
        with_truth = "truth" in row
    if not any(layers.values()):
        raise AssayError(f"{path} holds no probe delta of a point with choices")
    joined = []
    for layer, found in layers.items():
        rows = np.zeros(len(behaviour), bool)
        rows[list(found)] = True
        values = np.array([found[place] for place in np.flatnonzero(rows).tolist()])
        points = replace(
            behaviour.subset(rows), probe=values[:, 0], truth=values[:, 1] if with_truth else None
        )
        joined.append(LayerDeltas(layer, points, unmatched.get(layer, 0)))
    return joined


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AssayError(f"{where}: field '{name}': expected a finite number, found {text!r}")
    return value


def _join_published(path: Path, behaviour: Points) -> list[LayerDeltas]:
    known = set(behaviour.condition.tolist())
    joined: dict[str, LayerDeltas] = {}
    for place, entry in _entries(read_document(path), ()):
        where = f"{path}, {'/'.join(place)}"
        published, probe, labels = _columns(where, entry)
        if set(labels) <= known:
            task = _recognise(where, behaviour, published, labels)
            joined["/".join(place)] = LayerDeltas(
                place[-1], Points(np.array(labels), task, published, probe), 0
            )
    if not joined:
        raise AssayError(
            f"{path}: nowhere are {', '.join(PUBLISHED)} of conditions that are all among the choices; expected "
            "{experiment: {layer: …}}, nested as deep as you like"
        )
    layers = [entry.layer for entry in joined.values()]
    if len(set(layers)) < len(layers):  # several experiments: the whole place tells them apart
        return [replace(entry, layer=place.replace("/", "_")) for place, entry in joined.items()]
    return list(joined.values())


def _entries(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys that lead there, entry) of every object that holds published deltas, at any depth."""
    if not isinstance(value, dict):
        return
    if place and any(name in value for name in PUBLISHED):
        yield place, value
        return
    for key, item in value.items():
        yield from _entries(item, (*place, str(key)))


def _columns(where: str, entry: Any) -> tuple[Floats, Floats, list[str]]:
    if not isinstance(entry, dict):
        raise AssayError(f"{where}: expected an object with {', '.join(PUBLISHED)}")
    for name in PUBLISHED:
        if not isinstance(entry.get(name), list) or not entry[name]:
            raise AssayError(f"{where}: field '{name}': expected a list")
    lengths = {len(entry[name]) for name in PUBLISHED}
    if len(lengths) != 1:
        raise AssayError(f"{where}: {', '.join(PUBLISHED)} differ in length")
    try:
        behaviour, probe = (np.array(entry[name], np.float64) for name in PUBLISHED[:2])
    except (TypeError, ValueError) as error:
        raise AssayError(f"{where}: a delta is not a number: {error}") from error
    if not (np.isfinite(behaviour).all() and np.isfinite(probe).all()):
        raise AssayError(f"{where}: a delta is not finite")
    if not all(isinstance(label, str) for label in entry[PUBLISHED[2]]):
        raise AssayError(f"{where}: field '{PUBLISHED[2]}': expected texts")
    return behaviour, probe, entry[PUBLISHED[2]]


def _recognise(where: str, behaviour: Points, published: Floats, labels: list[str]) -> NDArray[np.str_]:
    """[n] the task of each published point; all conditions have one order of tasks, or the first ones one and the rest another."""
    conditions = list(dict.fromkeys(labels))
    each = len(labels) // len(conditions)
    if labels != [name for name in conditions for _ in range(each)]:
        raise AssayError(
            f"{where}: expected the same number of points for each condition, one condition after the other"
        )
    tasks = list(dict.fromkeys(behaviour.task.tolist()))
    ours = np.full((len(conditions), len(tasks)), np.nan)
    rows = {name: i for i, name in enumerate(conditions)}
    columns = {name: i for i, name in enumerate(tasks)}
    for name, task, delta in zip(behaviour.condition, behaviour.task, behaviour.behaviour, strict=True):
        if name in rows:
            ours[rows[name], columns[task]] = delta
    wanted = published.reshape(len(conditions), each)
    try:
        return np.array(_one_order(where, tasks, ours, wanted) * len(conditions))
    except AssayError as error:
        for n in range(1, len(conditions)):
            try:
                before = _one_order(where, tasks, ours[:n], wanted[:n])
                after = _one_order(where, tasks, ours[n:], wanted[n:])
            except AssayError:
                continue
            return np.array(before * n + after * (len(conditions) - n))
        raise error


def _one_order(where: str, tasks: list[str], ours: Floats, published: Floats) -> list[str]:
    """[points] the task of each point of some conditions; `ours` [conditions, tasks], `published` [conditions, points]."""
    found: list[str] = []
    for number, wanted in enumerate(published.T):
        distance = np.nanmax(np.abs(ours - wanted[:, None]), axis=0, initial=0.0)
        distance[np.isnan(ours).any(axis=0)] = np.inf
        fits = np.flatnonzero(distance < 1e-9)
        if len(fits) != 1 or tasks[fits[0]] in found:
            raise AssayError(
                f"{where}: point {number + 1} of each condition fits {len(fits)} tasks by its behavioural deltas; it must be one, "
                "a different one for each point"
            )
        found.append(tasks[fits[0]])
    return found
