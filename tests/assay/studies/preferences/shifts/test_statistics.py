import json
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from support.preferences.published import OOD, needs_published

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.shifts.condition_counts import (
    ConditionChoices,
    read_behaviour,
    read_condition_choices,
)
from assay.studies.preferences.shifts.deltas import LayerDeltas, join_deltas, with_truth
from assay.studies.preferences.shifts.report import layer_metrics
from assay.studies.preferences.shifts.statistics import (
    Points,
    _pearson,
    agreement,
    behavioural_deltas,
    by_condition,
    compare_predictors,
    permutation_p,
    truth_correlations,
)

QUICK = Resampling(0, 300)


def make_points(noise=0.5, conditions=8, tasks=12, seed=0):
    """Two conditions in four aim at each task; the probe sees behaviour with noise."""
    rng = np.random.default_rng(seed)
    condition, task = (
        grid.ravel() for grid in np.meshgrid(np.arange(conditions), np.arange(tasks), indexing="ij")
    )
    truth = rng.choice([-1.0, 0, 0, 1], len(task))
    behaviour = np.round(np.clip(0.4 * truth + rng.normal(0, 0.1, len(task)), -1, 1), 2)
    probe = behaviour + rng.normal(0, noise * 0.3, len(task))
    return Points(
        np.array([f"c{i}" for i in condition]), np.array([f"t{i}" for i in task]), behaviour, probe, truth
    )


def test_deltas_are_against_the_named_baseline():
    #             baseline: x wins 4 of 6;  pushed: x wins 1 of 4 (two refused);  silent: nothing but refusals
    rows = [
        ("pushed", "x", "y", 1, 3, 2, 6),
        ("baseline", "x", "y", 4, 2, 0, 6),
        ("silent", "x", "y", 0, 0, 6, 6),
    ]
    counts = ConditionChoices.of_rows(rows)
    found = behavioural_deltas(counts, "baseline")
    assert list(zip(found.condition, found.task, strict=True)) == [("pushed", "x"), ("pushed", "y")]
    np.testing.assert_allclose(found.behaviour, [1 / 4 - 4 / 6, 3 / 4 - 2 / 6])
    assert found.n_dropped == 2
    np.testing.assert_allclose(behavioural_deltas(counts, "pushed").behaviour, [4 / 6 - 1 / 4, 2 / 6 - 3 / 4])
    with pytest.raises(AssayError, match="no condition 'none'"):
        behavioural_deltas(counts, "none")


def test_weighted_correlations_are_scipys_of_repeated_items():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    y[5:9] = y[5]
    weights = rng.integers(0, 4, (3, 40)).astype(float)
    for row in weights:
        repeats = row.astype(int)
        a, b = np.repeat(x, repeats), np.repeat(y, repeats)
        assert _pearson(x, y)(row[None])[0] == pytest.approx(stats.pearsonr(a, b).statistic)


def test_agreement_is_scipys_with_intervals_that_hold_it():
    points = make_points()
    found = agreement(points, resampling=QUICK)
    assert found.pearson.value == pytest.approx(stats.pearsonr(points.behaviour, points.probe).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(points.behaviour, points.probe).statistic)
    clear = np.abs(points.behaviour) >= 0.02
    signs = np.sign(points.behaviour[clear]) == np.sign(points.probe[clear])
    assert found.sign.value == pytest.approx(signs.mean())
    assert (found.sign.n, found.sign.n_dropped) == (clear.sum(), (~clear).sum())
    for estimate in (found.pearson, found.spearman, found.sign):
        assert estimate.lower < estimate.value < estimate.upper
    assert found.permutation_p == pytest.approx(1 / 1001)


def test_a_probe_that_knows_nothing_is_seen():
    points = make_points(noise=50)
    found = agreement(points, resampling=QUICK)
    assert found.pearson.holds(0)
    assert found.sign.holds(0.5)
    p = [
        permutation_p(*np.random.default_rng(seed).normal(size=(2, 50)), seed=1, permutations=200)
        for seed in range(200)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_the_permutation_p_is_that_of_all_orders():
    rng = np.random.default_rng(3)
    x = rng.normal(size=7)
    y = 0.3 * x + rng.normal(size=7)
    every = np.array(list(permutations(x))) @ (y - y.mean())
    exact = (every >= x @ (y - y.mean()) - 1e-12).mean()
    assert permutation_p(x, y, seed=0, permutations=20_000) == pytest.approx(exact, abs=0.015)


def test_within_conditions_and_against_the_truth():
    points = make_points()
    found = by_condition(points, resampling=QUICK)
    assert list(found) == [f"c{i}" for i in range(8)]
    rows = points.condition == "c3"
    assert found["c3"].value == pytest.approx(
        stats.pearsonr(points.behaviour[rows], points.probe[rows]).statistic
    )
    few = points.subset((points.condition == "c0") & np.isin(points.task, ["t1", "t2", "t3"]))
    assert by_condition(few, resampling=QUICK) == {}
    behaviour, probe = truth_correlations(points, resampling=QUICK)
    assert behaviour.value == pytest.approx(stats.pearsonr(points.behaviour, points.truth).statistic)
    assert probe.value == pytest.approx(stats.pearsonr(points.probe, points.truth).statistic)


def test_predictors_are_compared_condition_by_condition():
    rng = np.random.default_rng(0)
    condition = np.repeat([f"c{i}" for i in range(9)], 20)
    utilities = rng.normal(size=180)
    predictor, rival = utilities + 0.5 * rng.normal(size=180), utilities + 3 * rng.normal(size=180)
    condition[-3:] = "tiny"
    found = compare_predictors(condition, utilities, predictor, rival)
    names = [f"c{i}" for i in range(9)]

    def correlations(column):
        pairs = [(utilities[condition == name], column[condition == name]) for name in names]
        return np.array([stats.pearsonr(*pair).statistic for pair in pairs])

    of_predictor, of_rival = correlations(predictor), correlations(rival)
    for estimate, values in (
        (found.predictor, of_predictor),
        (found.rival, of_rival),
        (found.difference, of_predictor - of_rival),
    ):
        students = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        expected = [values.mean(), students.low, students.high]
        assert [estimate.value, estimate.lower, estimate.upper] == pytest.approx(expected)
    assert found.difference.lower > 0
    assert (found.predictor.n, found.n_skipped) == (9, 1)
    with pytest.raises(AssayError, match="two conditions"):
        compare_predictors(condition[:20], utilities[:20], predictor[:20], rival[:20])


def write_csv(path, points, layers=("",), skip=0):
    lines = ["condition_id,task_id,probe_delta,truth,layer"]
    rows = list(zip(points.condition, points.task, points.probe, points.truth, strict=True))[skip:]
    lines += [
        f"{c},{t},{p!r},{int(g)},{layer}"
        for layer in layers
        for c, t, p, g in ((c, t, float(p), g) for c, t, p, g in rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_probe_deltas_are_joined_by_name_not_by_order(tmp_path):
    points = make_points()
    shuffled = points.subset(np.ones(len(points), bool))
    order = np.random.default_rng(0).permutation(len(points))
    known = Points(points.condition[order], points.task[order], points.behaviour[order])
    layers = join_deltas(write_csv(tmp_path / "d.csv", shuffled, ("3", "7"), skip=5), known)
    assert [layer.layer for layer in layers] == ["3", "7"]
    joined = layers[1].points
    assert len(joined) == len(points) - 5
    expected = {
        key: p
        for *key, p in zip(points.condition, points.task, points.probe, strict=True)
        for key in [tuple(key)]
    }
    for c, t, p in zip(joined.condition, joined.task, joined.probe, strict=True):
        assert p == expected[c, t]
    fewer = known.subset(known.task != "t4")
    assert join_deltas(tmp_path / "d.csv", fewer)[0].n_unmatched == 7  # c0, t4 was skipped


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("condition_id,task_id\nc0,t0\n", "column probe_delta is missing"),
        (
            "condition_id,task_id,probe_delta\nc0,t0,x\n",
            "line 2: field 'probe_delta': expected a finite number",
        ),
        (
            "condition_id,task_id,probe_delta\nc99,t0,1\n",
            "line 2: field 'condition_id': no choices under 'c99'",
        ),
        (
            "condition_id,task_id,probe_delta\nc0,t0,1\nc0,t0,1\n",
            "line 3: field 'task_id': 't0' occurs twice",
        ),
        ("condition_id,task_id,probe_delta\nc0,t99,1\n", "no probe delta of a point"),
    ],
)
def test_malformed_deltas_are_named(tmp_path, text, message):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(AssayError, match=message):
        join_deltas(tmp_path / "d.csv", make_points())
    with pytest.raises(AssayError, match=r"\.csv or as the published \.json"):
        join_deltas(tmp_path / "d.txt", make_points())


def published_form(points):
    return {
        "behavioral_deltas": points.behaviour.tolist(),
        "probe_deltas": points.probe.tolist(),
        "condition_labels": points.condition.tolist(),
    }


def test_published_points_recognise_their_tasks(tmp_path):
    points = make_points()
    order = np.random.default_rng(1).permutation(12)
    shuffled = points.subset((np.arange(96).reshape(8, 12)[:, order] >= 0).ravel())
    place = np.arange(96).reshape(8, 12)[:, order].ravel()
    shuffled = Points(
        points.condition[place], points.task[place], points.behaviour[place], points.probe[place]
    )
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"exp": {"L3": published_form(shuffled)}}))
    (layer,) = join_deltas(path, points)
    assert layer.points.task.tolist() == shuffled.task.tolist()
    changed = published_form(shuffled)
    changed["behavioral_deltas"][0] += 0.1
    path.write_text(json.dumps({"exp": {"L3": changed}}))
    with pytest.raises(AssayError, match="exp/L3: point 1 of each condition fits 0 tasks"):
        join_deltas(path, points)
    path.write_text(json.dumps({"exp": {"L3": {**changed, "probe_deltas": [1]}}}))
    with pytest.raises(AssayError, match="differ in length"):
        join_deltas(path, points)


def test_nested_blocks_and_two_orders_of_tasks(tmp_path):
    points = make_points()
    rows = np.arange(96).reshape(8, 12)
    rng = np.random.default_rng(2)
    place = np.concatenate([rows[:4, rng.permutation(12)].ravel(), rows[4:, rng.permutation(12)].ravel()])
    shuffled = Points(
        points.condition[place], points.task[place], points.behaviour[place], points.probe[place]
    )
    path = tmp_path / "d.json"
    entry = published_form(shuffled)
    path.write_text(json.dumps({"n": 96, "exp": {"note": "x", "by_layer": {"L3": entry, "L4": entry}}}))
    layers = join_deltas(path, points)
    assert [layer.layer for layer in layers] == ["L3", "L4"]
    assert layers[0].points.task.tolist() == shuffled.task.tolist()
    path.write_text(json.dumps({"one": {"L3": entry}, "two": {"part": {"L3": entry}}}))
    assert [layer.layer for layer in join_deltas(path, points)] == ["one_L3", "two_part_L3"]
    path.write_text(json.dumps({"one": {"L3": 1}}))
    with pytest.raises(AssayError, match="nowhere are behavioral_deltas"):
        join_deltas(path, points)


@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: {"results": x}, lambda x: {"model": "m", "conditions": x}]
)
def test_task_rates_are_read_as_rates(tmp_path, wrap):
    rates = {
        "baseline": {
            "task_rates": {
                "t1": {"p_choose": 0.5, "n": 4},
                "t2": {"p_choose": 0.25},
                "t3": {"p_choose": None},
            }
        },
        "c1": {"task_rates": {"t1": {"p_choose": 0.75}, "t3": {"p_choose": 1.0}, "t2": 0.0}},
    }
    path = tmp_path / "behavioral.json"
    path.write_text(json.dumps(wrap(rates)))
    points = behavioural_deltas(read_behaviour(path), "baseline")
    assert dict(zip(points.task, points.behaviour, strict=True)) == {"t1": 0.25, "t2": -0.25}
    assert points.n_dropped == 1
    path.write_text(json.dumps(wrap({"baseline": {"task_rates": {"t1": {"p_choose": 2}}}})))
    with pytest.raises(AssayError, match="condition 'baseline', task 't1': field 'p_choose'"):
        read_behaviour(path)
    path.write_text(json.dumps(wrap({"baseline": {"rates": 1}})))
    with pytest.raises(AssayError, match="expected 'task_rates', found an object with rates"):
        read_behaviour(path)


# The five targets of each category in the published pairs, found from what their persona prompts move; mathematics and
# harmful tasks are told by their ids as well.
CATEGORIES = {
    "math": "competition_math_2203 competition_math_2312 competition_math_3658 competition_math_562 competition_math_6291",
    "coding": "alpaca_2292 alpaca_4690 wildchat_19442 wildchat_2289 wildchat_27113",
    "knowledge": "alpaca_12657 alpaca_8954 wildchat_20135 wildchat_34310 wildchat_41574",
    "harmful": "bailbench_568 stresstest_26_101_value2 stresstest_5_251_value2 stresstest_90_49_value2 stresstest_9_819_value2",
    "fiction": "alpaca_14443 alpaca_7340 wildchat_57033 wildchat_72642 wildchat_77027",
    "content": "alpaca_47 alpaca_6790 wildchat_53121 wildchat_70531 wildchat_78162",
}


@needs_published
def test_the_published_correlations_on_target(tmp_path):
    """Experiment 1a at layer 31: on-target r .898 (n 60), behaviour with truth .840, probe with truth .808."""
    behaviour = behavioural_deltas(read_condition_choices(OOD / "category_pairwise.json"), "baseline")
    layers = join_deltas(OOD / "category_expected.json", behaviour)
    lines = ["condition_id,task_id,truth"]
    for condition in dict.fromkeys(layers[0].points.condition.tolist()):
        category, sign = condition.removeprefix("holdout_").split("_")[:2]
        lines += [f"{condition},{task},{1 if sign == 'pos' else -1}" for task in CATEGORIES[category].split()]
    path = tmp_path / "truth.csv"
    path.write_text("\n".join(lines) + "\n")
    aimed, unmatched = with_truth(layers, path)
    found = layer_metrics(next(layer for layer in aimed if layer.layer == "L31"), {}, QUICK)
    assert unmatched == 0
    assert found["target_pearson_n"] == 60
    for name, published in (("", 0.898), ("_truth_behaviour", 0.840), ("_truth_probe", 0.808)):
        assert found[f"target{name}_pearson"] == pytest.approx(published, abs=0.0005)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("c1,t1,2\n", "line 2: 't1' under 'c1' has the truth 2, which is 1, -1 or 0"),
        ("c1,t1,1\nc1,t1,1\n", "line 3: 't1' under 'c1' occurs twice"),
        ("c1,t1,x\n", "line 2: field 'truth': expected a finite number"),
        ("c9,t9,1\n", "names no point that a condition aims at"),
        ("c1,t1,0\n", "names no point that a condition aims at"),
    ],
)
def test_a_truth_that_is_none_is_named(tmp_path, rows, message):
    points = Points(
        np.array(["c1", "c1"]), np.array(["t1", "t2"]), np.array([0.5, 0.1]), np.array([1.0, 0.0])
    )
    path = tmp_path / "truth.csv"
    path.write_text(f"condition_id,task_id,truth\n{rows}")
    with pytest.raises(AssayError, match=message):
        with_truth([LayerDeltas("", points, 0)], path)
    path.write_text("condition_id,task_id,truth\nc1,t2,-1\nc9,t2,1\n")
    (found,), unmatched = with_truth([LayerDeltas("", points, 0)], path)
    assert (found.points.truth.tolist(), unmatched) == ([0, -1], 1)
    with pytest.raises(AssayError, match=r"leave .*truth\.csv out"):
        with_truth([found], path)


@needs_published
def test_the_published_statistics():
    behaviour = behavioural_deltas(read_condition_choices(OOD / "category_pairwise.json"), "baseline")
    expected = json.loads((OOD / "category_expected.json").read_text())["exp1a"]
    layers = {layer.layer: layer for layer in join_deltas(OOD / "category_expected.json", behaviour)}
    assert set(layers) == set(expected)
    ours = dict(zip(zip(behaviour.condition, behaviour.task, strict=True), behaviour.behaviour, strict=True))
    for name, published in expected.items():
        points = layers[name].points
        assert len(points) == 360
        for c, t, b in zip(points.condition, points.task, published["behavioral_deltas"], strict=True):
            assert ours[c, t] == pytest.approx(b, abs=1e-12)
        found = agreement(points, resampling=QUICK)
        assert found.pearson.value == pytest.approx(published["pearson_r"], abs=1e-9)
        assert found.spearman.value == pytest.approx(published["spearman_r"], abs=1e-9)
        assert (found.sign.value, found.sign.n) == (
            pytest.approx(published["sign_agreement"]),
            published["sign_n"],
        )
        for condition, estimate in by_condition(points, resampling=QUICK).items():
            assert estimate.value == pytest.approx(
                published["per_condition"][condition]["pearson_r"], abs=1e-9
            )
