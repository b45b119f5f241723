"""Every kind of interval holds the truth about as often as it says, for few clusters and for many items.

Required of a 95 % interval: the truth in 93 to 97 of 100 cases. What is measured is a share of TRIALS, so a kind just at an end of
that band is found outside it half of the time; two standard errors of the share are allowed on either side. One that covers 88 of
100 fails all but surely, and seeds are fixed: a test that passes once passes always.

Rates near 0 or 1, and rates in few clusters, count few things, and no interval covers exactly there; one over rows and columns is
wide on purpose. These may cover more often (`at_most=1`), not less. An interval that is refused holds nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from scipy import stats

from assay.errors import AssayError
from assay.probes.fold_statistics import FoldScores, mean_correlation
from assay.statistics import jackknife
from assay.statistics.bootstrap import Resampling, bootstrap_crossed, bootstrap_totals, paired_difference
from assay.statistics.classification import (
    auroc,
    balanced_accuracy,
    balanced_accuracy_difference,
    binary_scores,
)
from assay.statistics.correlations import pearson
from assay.statistics.estimates import Estimate, mean_of_replicates
from assay.statistics.jackknife import Rates, rate_difference
from assay.statistics.rank_correlation import spearman

TRIALS = 600
AT_LEAST, AT_MOST = 0.93, 0.97
RESAMPLES = 400

Rng = np.random.Generator


@dataclass(frozen=True)
class Layout:
    """So many independent items, or clusters of 2 to 8 items each, whose number is drawn in every trial."""

    items: int = 0
    clusters: int = 0

    def __str__(self):
        return f"{self.items} items" if self.items else f"{self.clusters} clusters"

    def codes(self, rng):
        """The cluster of every item."""
        if self.items:
            return np.arange(self.items)
        return np.repeat(np.arange(self.clusters), rng.integers(2, 9, self.clusters))

    def effect(self, rng, codes, size=1.0):
        """What items of one cluster share; nothing where every item stands alone."""
        return np.zeros(len(codes)) if self.items else size * rng.normal(size=self.clusters)[codes]

    def chances(self, rng, codes, p, at=None):
        """A chance for every item, p on average: that of its cluster is drawn, at quantiles `at` where given."""
        if self.items:
            return np.full(len(codes), p)
        quantiles = rng.random(self.clusters) if at is None else at
        return np.clip(stats.beta.ppf(quantiles, 4 * p, 4 * (1 - p)), 1e-9, 1 - 1e-9)[codes]


@dataclass(frozen=True)
class Case:
    truth: float
    trial: Callable[[Rng], Estimate]
    at_most: float = AT_MOST


ITEMS = (Layout(items=40), Layout(items=200))
CLUSTERS = (Layout(clusters=5), Layout(clusters=10), Layout(clusters=20))
EVERY = (*ITEMS, *CLUSTERS)


def share_that_holds(case, name, trials=TRIALS):
    rng = np.random.default_rng(list(name.encode()))
    return np.mean([holds(case, rng) for _ in range(trials)])


def holds(case, rng):
    try:
        return case.trial(rng).holds(case.truth)
    except AssayError:
        return False


def resampling(rng):
    return Resampling(int(rng.integers(2**31)), RESAMPLES)


def ratio(totals):
    return totals[..., 0] / totals[..., 1]


def with_ones(values):
    return np.stack([values, np.ones(len(values))], axis=-1)


def normal_values(rng, layout):
    codes = layout.codes(rng)
    return rng.normal(size=len(codes)) + layout.effect(rng, codes), codes


def trial_mean(rng, layout):
    return jackknife.mean(*normal_values(rng, layout))


def trial_totals(rng, layout):
    values, codes = normal_values(rng, layout)
    return bootstrap_totals(with_ones(values), ratio, clusters=codes, resampling=resampling(rng))


def trial_paired(rng, layout):
    """Both sides share what is in common to an item and to a cluster; the first is 0.3 higher."""
    shared, codes = normal_values(rng, layout)
    first = shared + 0.3 + rng.normal(size=len(codes)) + layout.effect(rng, codes, 0.5)
    second = shared + rng.normal(size=len(codes))
    return paired_difference(
        with_ones(first), with_ones(second), ratio, clusters=codes, resampling=resampling(rng)
    )


def trial_rate(rng, layout, p):
    codes = layout.codes(rng)
    return jackknife.rate(rng.random(len(codes)) < layout.chances(rng, codes, p), codes)


def trial_probabilities(rng, layout, p):
    """They may be covered too often: they count at most as many items as there are, however little they vary."""
    codes = layout.codes(rng)
    chances = layout.chances(rng, codes, p)
    return jackknife.rate(rng.beta(4 * chances, 4 * (1 - chances)), codes)


def labels_of(rng, codes):
    """Both classes occur."""
    labels = rng.random(len(codes)) < 0.5
    labels[:2] = True, False
    return labels


def trial_auroc(rng, layout, d):
    codes = layout.codes(rng)
    labels, noise = labels_of(rng, codes), rng.normal(size=len(codes))
    if layout.clusters:
        noise = np.sqrt(0.75) * noise + layout.effect(rng, codes, 0.5)
    return auroc(binary_scores(noise + d * labels, labels, codes))


def said(right, labels, codes):
    return binary_scores(np.where(right == labels, 1.0, -1.0), labels, codes)


def chances_by_class(rng, layout, codes, labels, p, q):
    return np.where(labels, layout.chances(rng, codes, p), layout.chances(rng, codes, q))


def trial_balanced(rng, layout, p, q):
    codes = layout.codes(rng)
    labels = labels_of(rng, codes)
    right = rng.random(len(codes)) < chances_by_class(rng, layout, codes, labels, p, q)
    return balanced_accuracy(said(right, labels, codes))


def trial_balanced_difference(rng, layout):
    codes = layout.codes(rng)
    labels = labels_of(rng, codes)
    luck, chances = rng.random(len(codes)), chances_by_class(rng, layout, codes, labels, 0.8, 0.6)
    first, second = luck < chances + 0.1, luck < chances
    return balanced_accuracy_difference(
        said(first, labels, codes), said(second, labels, codes), resampling(rng)
    )


def trial_combined(rng, layout, p, q):
    """Paired: half of the items fall out alike for both, and clusters that are hard are so for both."""
    codes = layout.codes(rng)
    luck = rng.random(len(codes))
    other = np.where(rng.random(len(codes)) < 0.5, luck, rng.random(len(codes)))
    at = rng.random(codes.max() + 1)
    first, second = (
        Rates((u < layout.chances(rng, codes, chance, at)).astype(float), codes, len(at))
        for u, chance in ((luck, p), (other, q))
    )
    return rate_difference(first, second)


def correlated(rng, n, r):
    x, noise = rng.normal(size=(2, n))
    return x, r * x + np.sqrt(1 - r * r) * noise


def trial_pearson(rng, layout, r):
    return pearson(*correlated(rng, layout.items, r))


def trial_spearman(rng, layout, r):
    return spearman(*correlated(rng, layout.items, r), resampling(rng))


def trial_folds(rng, r):
    """Five groups of 20 items, each held out once."""
    groups = np.repeat(np.arange(5), 20)
    scores, truth = correlated(rng, 100, r)
    rows = list(np.arange(100).reshape(5, 20))
    folds = FoldScores(rows, [scores[row] for row in rows], truth, groups)
    return mean_correlation(folds, resampling(rng), weighted=False)


def trial_crossed(rng):
    rows, columns = (grid.ravel() for grid in np.meshgrid(np.arange(20), np.arange(15), indexing="ij"))
    values = rng.normal(size=20)[rows] + rng.normal(size=15)[columns] + rng.normal(size=300)
    return bootstrap_crossed(
        lambda w: (w @ values) / w.sum(axis=1), rows=rows, columns=columns, resampling=resampling(rng)
    )


def trial_replicates(rng, draws):
    return mean_of_replicates(rng.normal(size=draws))


def few_counts(layout, *rates):
    return 1.0 if layout.clusters or max(rates) > 0.9 else AT_MOST


def cases():
    for layout in EVERY:
        yield f"mean of {layout}", Case(0, partial(trial_mean, layout=layout))
        for p in (0.5, 0.9, 0.97):
            rate = partial(trial_rate, layout=layout, p=p)
            yield f"rate {p} of {layout}", Case(p, rate, few_counts(layout, p))
            probabilities = partial(trial_probabilities, layout=layout, p=p)
            yield f"probabilities {p} of {layout}", Case(p, probabilities, 1.0)
        for d in (0, 1, 2.5):
            truth = float(stats.norm.cdf(d / np.sqrt(2)))
            trial = partial(trial_auroc, layout=layout, d=d)
            yield f"AUROC at d = {d} of {layout}", Case(truth, trial, few_counts(layout, truth))
        for p, q in ((0.9, 0.7), (0.97, 0.97)):
            trial = partial(trial_balanced, layout=layout, p=p, q=q)
            yield (
                f"balanced accuracy {p}, {q} of {layout}",
                Case((p + q) / 2, trial, few_counts(layout, p, q)),
            )
    for layout in (*ITEMS, CLUSTERS[-1]):
        yield f"bootstrapped mean of {layout}", Case(0, partial(trial_totals, layout=layout))
        yield f"paired difference of {layout}", Case(0.3, partial(trial_paired, layout=layout))
    for layout in (ITEMS[0], CLUSTERS[1]):
        for p, q in ((0.97, 0.97), (0.9, 0.7)):
            trial = partial(trial_combined, layout=layout, p=p, q=q)
            yield f"rates {p} − {q} of {layout}", Case(p - q, trial, few_counts(layout, p, q))
    for layout in ITEMS:
        yield (
            f"difference of balanced accuracies of {layout}",
            Case(0.1, partial(trial_balanced_difference, layout=layout)),
        )
        for r in (0, 0.5, 0.9):
            yield f"correlation {r} of {layout}", Case(r, partial(trial_pearson, layout=layout, r=r))
    for r in (0, 0.5, 0.9):
        rho = float(6 / np.pi * np.arcsin(r / 2))
        yield f"rank correlation {r} of 40 items", Case(rho, partial(trial_spearman, layout=ITEMS[0], r=r))
    yield "mean correlation of five folds", Case(0, partial(trial_folds, r=0))
    yield "mean of 20 × 15 crossed items", Case(0, trial_crossed, at_most=1)
    for draws in (5, 20):
        yield f"mean of {draws} replicates", Case(0, partial(trial_replicates, draws=draws))


CASES = dict(cases())


def allowance(share):
    return 2 * np.sqrt(share * (1 - share) / TRIALS)


@pytest.mark.parametrize("name", CASES)
def test_the_interval_covers(name):
    share = share_that_holds(CASES[name], name)
    assert AT_LEAST - allowance(AT_LEAST) <= share
    assert share <= min(1, CASES[name].at_most + allowance(CASES[name].at_most))


def test_plain_percentiles_of_five_clusters_do_not_cover():
    def trial(rng):
        values, codes = normal_values(rng, CLUSTERS[0])
        totals = np.stack([np.bincount(codes, values), np.bincount(codes)], axis=-1)
        drawn = ratio(totals[rng.integers(0, 5, (RESAMPLES, 5))].sum(axis=1))
        return Estimate(values.mean(), *np.quantile(drawn, [0.025, 0.975]), len(values))

    assert share_that_holds(Case(0, trial), "percentiles") < 0.87
