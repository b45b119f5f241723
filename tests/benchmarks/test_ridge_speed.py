"""Leave-one-topic-out ridge over layers: time of scikit-learn loops over time of `GroupedRidge`, at equal predictions."""

from itertools import combinations

import numpy as np
import pytest
from benchmarks.timing import interleave
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.probes.held_out_groups import leave_groups_out
from assay.probes.ridge import GroupedRidge
from assay.statistics.correlations import point_pearson

TOPICS = 8
ALPHAS = np.logspace(-1, 5, 10)
SIZES = [
    (26, 600, 128),
    (6, 3000, 384),
]  # layers, tasks, features

pytestmark = pytest.mark.timeout(1800)


def problem(layers: int, n: int, d: int):
    """Layers of correlated features with a mean far from zero; utilities with a topic part."""
    rng = np.random.default_rng(0)
    topics = rng.integers(0, TOPICS, n)
    mixed = [
        rng.normal(size=(n, d)) @ (rng.normal(size=(d, d)) * np.logspace(0, -2, d)[:, None])
        for _ in range(layers)
    ]
    X = [(part + 5 * rng.normal(size=d)).astype(np.float32) for part in mixed]
    return X, X[0][:, 0] + topics + rng.normal(size=n), topics


def loop(X, y, train, test):
    """[a, test rows]: a pipeline for every penalty."""
    return np.stack([make_pipeline(StandardScaler(), Ridge(alpha=a)).fit(X[train], y[train]).predict(X[test]) for a in ALPHAS])  # fmt: skip


def careful_loop(X, y, train, test):
    """The same with one scaler per fold."""
    scaler = StandardScaler().fit(X[train])
    inside, outside = scaler.transform(X[train]), scaler.transform(X[test])
    return np.stack([Ridge(alpha=a).fit(inside, y[train]).predict(outside) for a in ALPHAS])


@pytest.mark.parametrize(("layers", "n", "d"), SIZES)
@pytest.mark.parametrize("rival", [loop, careful_loop])
def test_layers_times_penalties_times_folds(layers, n, d, rival, report):
    X, y, topics = problem(layers, n, d)

    def theirs():
        return [rival(x.astype(np.float64), y, topics != t, topics == t) for x in X for t in range(TOPICS)]

    def ours():
        found = []
        for x in X:
            ridge = GroupedRidge(x, y, topics)
            found += [ridge.fit(ALPHAS, [t]).predict(ridge.X[topics == t])[..., 0] for t in range(TOPICS)]
        return found

    difference = max(np.abs(a - b).max() for a, b in zip(theirs(), ours(), strict=True))
    seconds = interleave({"scikit-learn": theirs, "assay": ours}, repeats=1)
    report.add(
        f"ridge, {layers} layers × {len(ALPHAS)} α × {TOPICS} topics, against {rival.__name__.replace('_', ' ')} of scikit-learn",
        seconds["scikit-learn"] / seconds["assay"],
        "ratio",
        20 if rival is loop else None,
        f"{n} tasks × {d}: {seconds['scikit-learn']:.2f} s / {seconds['assay']:.3f} s; predictions differ by ≤ {difference:.0e}",
    )


@pytest.mark.parametrize(("layers", "n", "d"), [(1, 600, 128), (1, 3000, 384)])
def test_with_alpha_chosen_inside_the_training_topics(layers, n, d, report):
    X, y, topics = problem(layers, n, d)

    def theirs():
        scores = []
        for x in X:
            for held in range(TOPICS):
                outside = [t for t in range(TOPICS) if t != held]
                r = [point_pearson(careful_loop(x, y, ~np.isin(topics, (held, t)), topics == t), y[topics == t]) for t in outside]  # fmt: skip
                scores.append(careful_loop(x, y, topics != held, topics == held)[np.mean(r, axis=0).argmax()])
        return scores

    def ours():
        return [
            fold.scores[:, 0]
            for x in X
            for fold in leave_groups_out(GroupedRidge(x, y, topics), alphas=ALPHAS)
        ]

    difference = max(np.abs(a - b).max() for a, b in zip(theirs(), ours(), strict=True))
    seconds = interleave({"scikit-learn": theirs, "assay": ours}, repeats=1)
    report.add(
        f"ridge, {TOPICS} topics left out, α chosen inside ({len(list(combinations(range(TOPICS), 2)))} + {TOPICS} fits for "
        f"{TOPICS * TOPICS}), against a careful loop of scikit-learn",
        seconds["scikit-learn"] / seconds["assay"],
        "ratio",
        20,
        f"{layers} layers of {n} tasks × {d}: {seconds['scikit-learn']:.2f} s / {seconds['assay']:.3f} s; "
        f"predictions differ by ≤ {difference:.0e}",
    )
