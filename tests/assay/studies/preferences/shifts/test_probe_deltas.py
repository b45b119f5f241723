from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.activations.store import StoreHeader, create_store, open_store
from assay.errors import AssayError
from assay.probes.files import ProbeInfo
from assay.probes.linear import Probe, UtilityProbe
from assay.prompts.records import PromptRecord
from assay.studies.preferences.shifts.condition_counts import ConditionChoices
from assay.studies.preferences.shifts.conditions import BASELINE
from assay.studies.preferences.shifts.probe_deltas import (
    beside_scores,
    condition_utilities,
    probe_deltas,
    scores_of_layers,
)

IDS = ["a", "b"]
INFO = ProbeInfo("pin", "resid", "m", "utility", "t", 1, "prompt[-1]")


@pytest.fixture
def store(tmp_path: Path):
    header = StoreHeader("m", "pin", "resid", "prompt[-1]", "last", "float32", "f" * 64)
    with create_store(tmp_path / "s.h5", header, layers=[0, 1], d=2, ids=IDS) as writer:
        writer.write(np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "<f4"))  # [records, layers, d]
    with open_store(tmp_path / "s.h5") as opened:
        yield opened


def utility_probe(weight, bias):
    return UtilityProbe(np.array(weight, float), bias, 1.0, True, penalty=1.0)


def test_each_named_layer_is_read_by_its_own_probe(store):
    probes = {0: utility_probe([1, 0], 0.5), 1: utility_probe([0, 2], 0.0)}
    found = scores_of_layers(store, probes, INFO, ["b", "a"], {"best": 1, "reported": 0})
    assert {name: scores.tolist() for name, scores in found.items()} == {
        "best": [16.0, 8.0],
        "reported": [5.5, 1.5],
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pin": "x"}, "this probe file was made with another model"),
        ({"site": "mlp_out"}, "differ in site; extract or fit again"),
        ({"position": "all"}, "differ in position; extract or fit again"),
    ],
)  # fmt: skip
def test_probes_of_other_activations_are_refused(store, changes, words):
    info = ProbeInfo(**{**vars(INFO), **changes})
    with pytest.raises(AssayError, match=words):
        scores_of_layers(store, {1: utility_probe([0, 2], 0.0)}, info, IDS, {"best": 1})


def test_a_layer_without_a_utility_probe_is_named(store):
    probes = {1: Probe(np.ones(2), 0.0, 1.0, True)}
    for layer in (0, 1):
        with pytest.raises(AssayError, match=f"no utility probe of layer {layer}; fit"):
            scores_of_layers(store, probes, INFO, IDS, {"reported": layer})


def record(condition, task, truth):
    fields = {"condition_id": condition, "task_id": task, "truth": truth, "kind": "k", "trained": True}
    return PromptRecord(f"{condition}/{task}", text="x", fields=fields)


def test_a_delta_is_the_score_less_the_neutral_one_of_the_same_task():
    records = [
        record(BASELINE, "t0", 0.0),
        record("c", "t1", -0.3),
        record(BASELINE, "t1", 0.0),
        record("c", "t0", 2.0),
    ]
    found = probe_deltas(records, {"best": np.array([1.0, 5.0, 2.0, 7.0]), "reported": np.zeros(4)})
    best = found[found["layer"] == "best"].set_index("task_id")
    assert best["probe_delta"].to_dict() == {"t1": 3.0, "t0": 6.0}
    assert best["truth"].to_dict() == {"t1": -1, "t0": 1}
    assert best["score"].to_dict() == {"t1": 5.0, "t0": 7.0}
    assert (found[found["layer"] == "reported"]["probe_delta"] == 0).all()
    with pytest.raises(AssayError, match=r"task 't1' has no prompt under 'baseline'"):
        probe_deltas(records[:2], {"best": np.zeros(2)})


def test_utilities_are_fitted_under_each_other_condition_to_tasks_with_a_default():
    rows = [(BASELINE, "t0", "t1", 9, 1, 0, 10), ("c", "t0", "t1", 2, 8, 0, 10)]
    counts = ConditionChoices.of_rows(rows)
    found = condition_utilities(counts, {"t0": 0.5, "t1": -0.5})
    assert found[["condition_id", "task_id", "default_mu"]].to_numpy().tolist() == [
        ["c", "t0", 0.5],
        ["c", "t1", -0.5],
    ]
    assert found["mu"][1] > found["mu"][0]  # t1 won 8 of 10 under c
    assert condition_utilities(counts, {"t1": 0.0})["task_id"].tolist() == ["t1"]


def test_utilities_get_the_score_of_their_condition_task_and_layer():
    utilities = pd.DataFrame({"condition_id": ["c", "d"], "task_id": ["t", "t"], "mu": [1.0, 2.0]})
    deltas = pd.DataFrame(
        {"condition_id": ["c", "c"], "task_id": "t", "layer": ["best", "reported"], "score": [3.0, 4.0]}
    )
    assert beside_scores(utilities, deltas, "best").to_dict("records") == [
        {"condition_id": "c", "task_id": "t", "mu": 1.0, "score": 3.0}
    ]
    with pytest.raises(AssayError, match="no condition and task in common"):
        beside_scores(utilities[1:], deltas, "best")
