import json

import numpy as np
import pandas as pd
import pytest
import yaml
from support.preferences.command_line import stage
from support.preferences.published import OOD, THURSTONE, needs_published
from support.preferences.thurstonian_world import make_world, random_pairs

from assay.studies.preferences.asking.active_learning import ActiveLearning, ActiveLearningSettings
from assay.studies.preferences.utilities.utility_files import read_utilities

QUICK = ("--resamples", 100)


def write_measurements(path, comparisons):
    """One row per choice, in order of pairs."""
    rows = []
    for k in range(len(comparisons)):
        pair = {
            "task_a": comparisons.ids[comparisons.first[k]],
            "task_b": comparisons.ids[comparisons.second[k]],
        }
        counts = comparisons.first_wins[k], comparisons.second_wins[k], comparisons.refusals[k]
        rows += [
            {**pair, "choice": name}
            for name, n in zip(("a", "b", "refusal"), counts, strict=True)
            for _ in range(n)
        ]
    path.write_text(yaml.safe_dump(rows, sort_keys=False))
    return path


@pytest.fixture
def measurements(tmp_path):
    comparisons = make_world(15).comparisons(random_pairs(15, 60), 5, np.random.default_rng(0), refuse=0.1)
    return write_measurements(tmp_path / "m.yaml", comparisons)


def test_fit_writes_utilities_metrics_and_calibration(tmp_path, measurements):
    arguments = (
        "--out",
        tmp_path / "u.csv",
        "--metrics",
        tmp_path / "m.json",
        "--calibration",
        tmp_path / "c.csv",
    )
    assert stage("fit", "--measurements", measurements, *arguments, *QUICK) == 0
    utilities, metrics = read_utilities(tmp_path / "u.csv"), json.loads((tmp_path / "m.json").read_text())
    assert len(utilities.ids) == metrics["tasks"] == 15
    assert metrics["choices"] == 300
    assert metrics["accuracy_n"] == 300 - metrics["refusals"] < 300
    assert metrics["converged"] == 1
    assert metrics["accuracy_lo"] <= metrics["accuracy"] <= metrics["accuracy_hi"]
    assert pd.read_csv(tmp_path / "c.csv")["choices"].sum() == metrics["accuracy_n"]
    before = (tmp_path / "u.csv").read_bytes(), (tmp_path / "m.json").read_bytes()
    assert stage("fit", "--measurements", measurements, *arguments, *QUICK) == 0
    assert before == ((tmp_path / "u.csv").read_bytes(), (tmp_path / "m.json").read_bytes())


def test_the_order_of_tasks_comes_from_a_file(tmp_path, measurements, capsys):
    assert stage("fit", "--measurements", measurements, "--out", tmp_path / "u.csv", *QUICK) == 0
    assert "in which they occur first" in capsys.readouterr().err
    order = list(reversed(read_utilities(tmp_path / "u.csv").ids))
    beside = tmp_path / "thurstonian_1a2b.csv"
    beside.write_text("task_id,mu,sigma\n" + "".join(f"{task},0,1\n" for task in order))
    assert stage("fit", "--measurements", measurements, "--out", tmp_path / "u.csv", *QUICK) == 0
    found = read_utilities(tmp_path / "u.csv")
    assert list(found.ids) == order
    assert found.mu[0] == 0
    (tmp_path / "thurstonian_3c4d.csv").write_text(beside.read_text())
    assert stage("fit", "--measurements", measurements, "--out", tmp_path / "u.csv", *QUICK) == 1
    assert "choose one with --tasks" in capsys.readouterr().err
    assert (
        stage("fit", "--measurements", measurements, "--tasks", beside, "--out", tmp_path / "u.csv", *QUICK)
        == 0
    )


def test_a_malformed_file_leaves_earlier_outputs_alone(tmp_path, measurements, capsys):
    outputs = [tmp_path / "u.csv", tmp_path / "m.json"]
    for path in outputs:
        path.write_text("earlier")
    text = measurements.read_text().replace("choice: a", "choice: maybe", 1)
    measurements.write_text(text)
    line = 3 * (text[: text.index("maybe")].count("\n") // 3) + 1
    arguments = ("--out", outputs[0], "--metrics", outputs[1])
    assert stage("fit", "--measurements", measurements, *arguments) == 1
    error = capsys.readouterr().err
    assert f"m.yaml, line {line}: field 'choice'" in error
    assert "Traceback" not in error
    assert [path.read_text() for path in outputs] == ["earlier", "earlier"]


def record(tmp_path, **changes):
    """A recorded run of 30 tasks and its settings file."""
    settings = ActiveLearningSettings(
        degree=3, batch=50, max_iterations=3, threshold=1.0, samples=2, refusals="as-b", tolerance="reference"
    )
    learning, world, rng = ActiveLearning(30, settings), make_world(30), np.random.default_rng(0)
    while not learning.finished:
        learning.record(world.answer(learning.propose(), 2, rng))
    measurements = write_measurements(tmp_path / "m.yaml", learning.comparisons(world.ids))
    (tmp_path / "thurstonian.csv").write_text(
        "task_id,mu,sigma\n" + "".join(f"{task},0,1\n" for task in world.ids)
    )
    facts = {
        "n_tasks": 30,
        "seed": 42,
        "n_iterations": 3,
        "rank_correlations": learning.rank_correlations,
        "degree": 3,
        "picks": "own",
    }
    (tmp_path / "al.yaml").write_text(yaml.safe_dump({**facts, **changes}))
    return measurements, tmp_path / "al.yaml"


def test_replay_says_whether_every_pair_was_chosen(tmp_path, capsys):
    measurements, settings = record(tmp_path)
    arguments = ("--measurements", measurements, "--settings", settings, "--metrics", tmp_path / "r.json")
    assert stage("replay", *arguments) == 0
    assert "every recorded pair was chosen: 145 of 145" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "r.json").read_text())
    assert (metrics["selected_pairs"], metrics["lost_pairs"], metrics["oriented_share"]) == (145, 0, 1)
    assert metrics["rank_correlation_deviation"] < 1e-12
    assert stage("replay", *arguments, "--batch", 20) == 0
    assert "NOT every recorded pair" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "x"}, "field 'seed': expected a whole number"),
        ({"picks": "mine"}, "field 'picks': expected own or shuffled, found 'mine'"),
        ({"n_tasks": 31}, "speaks of 31 tasks"),
        ({"rank_correlations": "high"}, "field 'rank_correlations'"),
    ],
)
def test_replay_refuses_malformed_settings(tmp_path, capsys, changes, message):
    measurements, settings = record(tmp_path, **changes)
    assert stage("replay", "--measurements", measurements, "--settings", settings) == 1
    assert message in capsys.readouterr().err


def write_conditions(tmp_path, layers=("",)):
    """Five conditions that push some of eight tasks, and probe deltas that follow."""
    rng = np.random.default_rng(0)
    tasks, conditions = [f"t{i}" for i in range(8)], [f"c{i}" for i in range(5)]
    push = {(c, t): rng.choice([-1, 0, 1]) for c in conditions for t in tasks}
    rows = []
    for condition in ["baseline", *conditions]:
        for i, a in enumerate(tasks):
            for b in tasks[i + 1 :]:
                lean = 0.5 + 0.2 * (push.get((condition, a), 0) - push.get((condition, b), 0))
                n_a = int(rng.binomial(12, lean))
                rows.append(
                    {"condition_id": condition, "task_a": a, "task_b": b, "n_a": n_a, "n_b": 12 - n_a, "n_refusals": 1, "n_total": 14}
                )  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(rows))
    table = [
        {"condition_id": c, "task_id": t, "probe_delta": 3 * p + rng.normal(), "truth": p, "layer": layer}
        for layer in layers
        for (c, t), p in push.items()
    ]
    pd.DataFrame(table).to_csv(tmp_path / "d.csv", index=False)
    return tmp_path / "p.json", tmp_path / "d.csv"


def test_ood_stats_without_and_with_a_probe(tmp_path):
    pairwise, deltas = write_conditions(tmp_path)
    out = tmp_path / "o.json"
    assert stage("ood_stats", "--pairwise", pairwise, "--out", out, *QUICK) == 0
    metrics = json.loads(out.read_text())
    assert (metrics["conditions"], metrics["tasks"], metrics["refusals"], metrics["failed"]) == (
        5,
        8,
        168,
        168,
    )
    assert "pearson" not in metrics
    extra = ("--points", tmp_path / "points.csv", "--conditions", tmp_path / "conditions.csv")
    assert stage("ood_stats", "--pairwise", pairwise, "--deltas", deltas, "--out", out, *extra, *QUICK) == 0
    metrics, points = json.loads(out.read_text()), pd.read_csv(tmp_path / "points.csv")
    assert metrics["pearson"] == pytest.approx(points["behaviour"].corr(points["probe"]), abs=1e-4)
    target = points[points["truth"] != 0]
    assert metrics["target_pearson"] == pytest.approx(target["behaviour"].corr(target["probe"]), abs=1e-4)
    assert metrics["target_pearson_n"] == len(target) < len(points) == 40
    table = pd.read_csv(tmp_path / "conditions.csv")
    assert metrics["condition_pearson"] == pytest.approx(table["r"].mean())
    assert len(table) == metrics["conditions_correlated"] == 5


def test_several_layers_prefix_the_metrics_and_utilities_are_compared(tmp_path):
    pairwise, deltas = write_conditions(tmp_path, ("3", "7"))
    rng = np.random.default_rng(0)
    mu = rng.normal(size=30)
    pd.DataFrame(
        {
            "condition_id": np.repeat(["c0", "c1", "c2"], 10),
            "task_id": [f"t{i}" for i in range(10)] * 3,
            "mu": mu,
            "score": mu + 0.1 * rng.normal(size=30),
            "default_mu": rng.normal(size=30),
        }
    ).to_csv(tmp_path / "u.csv", index=False)
    arguments = ("--deltas", deltas, "--utilities", tmp_path / "u.csv", "--out", tmp_path / "o.json")
    assert stage("ood_stats", "--pairwise", pairwise, *arguments, *QUICK) == 0
    metrics = json.loads((tmp_path / "o.json").read_text())
    assert {"3_pearson", "7_pearson", "3_target_sign"} <= set(metrics)
    assert metrics["utility_probe_pearson"] > 0.9 > metrics["utility_default_pearson"]
    assert metrics["utility_probe_minus_default_n"] == 3


def test_ood_stats_names_what_is_wrong_and_keeps_the_earlier_file(tmp_path, capsys):
    pairwise, deltas = write_conditions(tmp_path)
    out = tmp_path / "o.json"
    out.write_text("earlier")
    assert stage("ood_stats", "--pairwise", pairwise, "--baseline", "neutral", "--out", out) == 1
    assert "no condition 'neutral'; there are baseline, c0" in capsys.readouterr().err
    deltas.write_text(deltas.read_text().replace("c1,", "c9,", 1))
    assert stage("ood_stats", "--pairwise", pairwise, "--deltas", deltas, "--out", out) == 1
    assert "field 'condition_id': no choices under 'c9'" in capsys.readouterr().err
    (tmp_path / "u.csv").write_text("condition_id,task_id,mu,score,default_mu\nc0,t0,1,x,2\n")
    assert stage("ood_stats", "--pairwise", pairwise, "--utilities", tmp_path / "u.csv", "--out", out) == 1
    assert "line 2: field 'score'" in capsys.readouterr().err
    assert out.read_text() == "earlier"


@needs_published
def test_the_published_commands(tmp_path):
    measurements = THURSTONE / "measurements.yaml"
    utilities, metrics = tmp_path / "u.csv", tmp_path / "m.json"
    options = ("--tolerance", "reference", "--refusals", "as-b", "--metrics", metrics, "--no-errors", *QUICK)
    assert stage("fit", "--measurements", measurements, "--out", utilities, *options) == 0
    published, found = read_utilities(THURSTONE / "thurstonian.csv"), read_utilities(utilities)
    assert found.ids == published.ids
    np.testing.assert_allclose(found.mu, published.mu, atol=1e-8)
    assert json.loads(metrics.read_text())["objective"] == pytest.approx(9634.564498851432, rel=1e-9)
    settings = THURSTONE / "active_learning.yaml"
    assert stage("replay", "--measurements", measurements, "--settings", settings, "--metrics", metrics) == 0
    assert json.loads(metrics.read_text())["selected_pairs"] == 7496
    pairwise, deltas = OOD / "category_pairwise.json", OOD / "category_expected.json"
    assert stage("ood_stats", "--pairwise", pairwise, "--deltas", deltas, "--out", metrics, *QUICK) == 0
    found_metrics = json.loads(metrics.read_text())
    assert found_metrics["L31_pearson"] == pytest.approx(0.6115602750162121, abs=1e-9)
    assert found_metrics["L31_sign"] == pytest.approx(0.7091988130563798, abs=1e-9)


def write_choices(path, rows):
    path.write_text("task_a,task_b,choice\n" + "".join(f"{a},{b},{choice}\n" for a, b, choice in rows))
    return path


def fit_of(tmp_path, capsys, rows, *more):
    """(exit code, utilities, metrics, stderr) of a fit to rows of choices."""
    path = write_choices(tmp_path / "m.csv", rows)
    options = ("--out", tmp_path / "u.csv", "--metrics", tmp_path / "m.json", *QUICK, *more)
    assert stage("fit", "--measurements", path, *options) == 0
    utilities, metrics = read_utilities(tmp_path / "u.csv"), json.loads((tmp_path / "m.json").read_text())
    return utilities, metrics, capsys.readouterr().err


ONCE = "01a 20a 03b 40a 05b 60a 70a 12a 13a 41a 15b"  # pairs judged once


def test_pairs_that_were_asked_once_are_fitted(tmp_path, capsys):
    rows = [(f"t{word[0]}", f"t{word[1]}", word[2]) for word in ONCE.split()]
    utilities, metrics, said = fit_of(tmp_path, capsys, rows, "--smoothing", 0.5)
    assert len(utilities.ids) == 8
    assert np.isfinite(utilities.mu_se).all()
    assert metrics["accuracy_n"] == 11
    assert "agreement" not in metrics
    assert "the metrics have no agreement" in said
    assert "standard errors" not in said
    _, _, said = fit_of(tmp_path, capsys, rows)
    assert "without smoothing the standard errors of so few choices" in said


def test_a_stray_list_of_tasks_is_refused_and_what_was_never_compared_left_out(
    tmp_path, measurements, capsys
):
    out = tmp_path / "u.csv"
    assert stage("fit", "--measurements", measurements, "--out", out, *QUICK) == 0
    alone, ids = out.read_bytes(), read_utilities(out).ids
    pooled = tmp_path / "thurstonian_pooled.csv"
    pooled.write_text(
        "task_id,mu,sigma\n" + "".join(f"{task},0,1\n" for task in (*ids, "other 1", "other 2"))
    )
    capsys.readouterr()
    assert stage("fit", "--measurements", measurements, "--out", out, *QUICK) == 1
    assert "lists 2 tasks that were never compared (first: 'other 1')" in capsys.readouterr().err
    assert out.read_bytes() == alone
    assert stage("fit", "--measurements", measurements, "--tasks", pooled, "--out", out, *QUICK) == 0
    assert "warning: no choice was about 2 tasks (other 1, other 2); left out" in capsys.readouterr().err
    assert out.read_bytes() == alone


def test_a_task_that_was_only_refused_has_no_utility(tmp_path, capsys):
    rows = [("x", "y", "a"), ("y", "x", "a"), ("y", "z", "a"), ("z", "y", "a"), ("x", "w", "refusal")]
    utilities, metrics, said = fit_of(tmp_path, capsys, rows)
    assert utilities.ids == ("x", "y", "z")
    assert metrics["tasks"] == 3
    assert "no choice was about 1 task (w)" in said
    assert fit_of(tmp_path, capsys, rows, "--refusals", "as-b")[0].ids == ("x", "y", "z", "w")


def test_groups_and_one_sided_tasks_are_named(tmp_path, capsys):
    both = [
        ("x", "y", "a"),
        ("y", "x", "a"),
        ("x", "z", "a"),
        ("z", "x", "a"),
        ("y", "z", "b"),
        ("z", "y", "b"),
    ]
    apart = [("p", "q", "a"), ("q", "p", "a")]
    *_, said = fit_of(tmp_path, capsys, both + apart)
    assert "fall into 2 groups of tasks that were never compared with each other" in said
    assert "beside the largest, 2 tasks (p, q)\n" in said
    *_, said = fit_of(tmp_path, capsys, [*both, ("champion", "x", "a"), ("y", "champion", "b")])
    assert "every choice was for, or against, 1 task (champion)" in said
    *_, said = fit_of(tmp_path, capsys, both)
    assert "warning" not in said
