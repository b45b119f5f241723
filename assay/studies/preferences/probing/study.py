"""Probes of every layer of several feature sets for the same tasks, and the differences between the sets.

Two questions choose a layer each. On held-out tasks it is the one with the highest r on the sweep half. On held-out topics
every fold chooses for itself, inside its training topics (`assay.probes.layer_choice`): what reads best among topics that a probe
knows may not carry over to others.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median_low

import pandas as pd

from assay.errors import AssayError
from assay.probes.fold_statistics import correlation_difference, fold_correlations
from assay.probes.held_out_groups import Fold
from assay.probes.layer_choice import LayeredFold, choose_layers
from assay.probes.layer_study import LayerStudy, study_layers
from assay.probes.linear import UtilityProbe
from assay.statistics.bootstrap import paired_difference
from assay.statistics.correlations import agreement_columns, pearson_of_totals
from assay.statistics.estimates import Estimate
from assay.studies.preferences.probing.choice_probe import read_choices_out
from assay.studies.preferences.probing.gaussian_control import gaussian_controls
from assay.studies.preferences.probing.readout import (
    RAW,
    Design,
    ReadLayer,
    Readout,
    held_out_estimates,
    read_out,
)
from assay.studies.preferences.probing.topic_readout import topic_estimates, topic_scores

Row = dict[str, float | int | str]
NOT_METRICS = ("features", "selected", "chosen_folds")  # what only a table needs


@dataclass(frozen=True)
class UtilityLayerResult:
    """One layer: its readout, its numbers, and the standard deviation of r over topic folds (population)."""

    readout: Readout
    estimates: Mapping[str, Estimate]
    topic_r_sd: float

    @property
    def criterion(self) -> float:
        """r of the raw probe on the sweep half."""
        return float(self.readout.held_out.sweep_r[RAW])


@dataclass(frozen=True)
class TopicResult:
    """Held-out topics, each read at the layer that its fold chose: the folds, their numbers, and the spread of r over them."""

    folds: Sequence[LayeredFold]
    estimates: Mapping[str, Estimate]
    r_sd: float

    @property
    def chosen(self) -> Counter[int]:
        """How many folds chose each layer for the raw utilities."""
        return Counter(int(fold.layers[RAW]) for fold in self.folds)

    def row(self) -> Row:
        """All numbers under flat names; `topic_layer` is the (lower) median of the chosen layers, `topic_layer_mode` the one
        chosen most often (the earliest among equals), by `topic_layer_mode_folds` of `topic_folds` folds."""
        mode = max(sorted(self.chosen), key=self.chosen.__getitem__)
        row: Row = {
            "topic_layer": median_low(self.chosen.elements()),
            "topic_layer_mode": mode,
            "topic_layer_mode_folds": self.chosen[mode],
            "topic_folds": len(self.folds),
            "topic_r_sd": self.r_sd,
        }
        for name, estimate in self.estimates.items():
            row |= estimate.metrics(name)
        return row


@dataclass(frozen=True)
class FeatureSet:
    """All layers of one feature set.

    Attributes:
        name: what the set is called in tables and metrics.
        layers: results by layer; the best one is that of the raw probe with the highest r on the sweep half.
        topics: held-out topics at the layers that their folds chose.
        extra: controls and the Bradley–Terry probe's numbers, at the best layer (topics: at those of their folds).
        choice_probe: the Bradley–Terry probe of the best layer; None without choices between training tasks.
    """

    name: str
    layers: LayerStudy[UtilityLayerResult]
    topics: TopicResult
    extra: Mapping[str, Estimate]
    choice_probe: UtilityProbe | None

    def probes(self, target: int) -> dict[int, UtilityProbe]:
        """The ridge probes of one target (RAW or DEMEANED) by layer."""
        return {layer: result.readout.held_out.probes[target] for layer, result in self.layers.items()}

    def row(self, layer: int) -> Row:
        """All numbers of a layer under flat names, `chosen_folds` saying how many folds chose it. Raises AssayError for a layer that the set lacks."""
        if layer not in self.layers:
            raise AssayError(f"the features {self.name!r} hold no layer {layer}; they hold {[*self.layers]}")
        result = self.layers[layer]
        held_out = result.readout.held_out
        raw, demeaned = held_out.probes
        row: Row = {
            "features": self.name,
            "layer": layer,
            "selected": int(layer == self.layers.best_layer),
            "chosen_folds": self.topics.chosen[layer],
            "sweep_r": result.criterion,
            "alpha": raw.penalty,
            "alpha_demeaned": demeaned.penalty,
            "topic_r_sd": result.topic_r_sd,
        }
        for name, estimate in result.estimates.items():
            row |= estimate.metrics(name)
        return row


def study_features(
    name: str,
    read: ReadLayer,
    layers: Sequence[int],
    design: Design,
    *,
    penalties: Sequence[float],
    tell: Callable[[int], None] = lambda _: None,
) -> FeatureSet:
    """Read every layer out, one in memory at a time; controls and the Bradley–Terry probe (L2 `penalties` to choose from)
    at the best one. `tell` is told how many layers are done."""
    results = study_layers(layers, lambda layer: _study_layer(read, layer, design), tell=tell)
    best = results.best_layer
    folds = choose_layers({layer: result.readout.folds for layer, result in results.items()})
    topics = TopicResult(folds, topic_estimates(folds, design), _spread(folds, design))
    extra = gaussian_controls(*read(best), design) if design.settings.shuffles > 1 else {}
    probe = None
    if design.train.choices.n_choices:
        probe, judged = read_choices_out(read, best, folds, design, penalties)
        extra |= judged
    return FeatureSet(name, results, topics, extra, probe)


def _study_layer(read: ReadLayer, layer: int, design: Design) -> UtilityLayerResult:
    readout = read_out(*read(layer), design)
    estimates = held_out_estimates(readout, design) | topic_estimates(readout.folds, design)
    return UtilityLayerResult(readout, estimates, _spread(readout.folds, design))


def _spread(folds: Sequence[Fold], design: Design) -> float:
    return float(topic_scores(folds, design, RAW).correlations().std())


def summary(sets: Sequence[FeatureSet], design: Design, layer: int | None = None) -> Row:
    """Flat metrics: held-out tasks at the best layer of every set, held-out topics at the layers of their folds, everything at
    `layer` of the sets that hold it, and paired differences."""
    flat: Row = {}
    for features in sets:
        best = features.row(features.layers.best_layer) | features.topics.row()
        flat |= _prefixed(features.name, best)
        for name, estimate in features.extra.items():
            flat |= estimate.metrics(f"{features.name}_{name}")
        if layer is not None and layer in features.layers:
            flat |= _prefixed(f"{features.name}_at_layer", features.row(layer))
    for first, second in combinations(sets, 2):
        for name, estimate in differences(first, second, design).items():
            flat |= estimate.metrics(f"{first.name}_minus_{second.name}_{name}")
    return flat


def differences(first: FeatureSet, second: FeatureSet, design: Design) -> dict[str, Estimate]:
    """`first` minus `second`, each at its own chosen layers, on the same resamples of the same tasks.

    `heldout_r`, `topic_r` and `topic_r_weighted`: an interval above zero says that `first` reads utilities better.
    """
    mine, other = (features.layers.best.readout for features in (first, second))
    truth, resampling = design.truth[RAW], design.settings.resampling
    held_out = [agreement_columns(readout.held_out.scores[RAW], truth) for readout in (mine, other)]
    topics = [topic_scores(features.topics.folds, design, RAW) for features in (first, second)]
    return {
        "heldout_r": paired_difference(held_out[0], held_out[1], pearson_of_totals, resampling=resampling),
        "topic_r": correlation_difference(topics[0], topics[1], resampling, weighted=False),
        "topic_r_weighted": correlation_difference(topics[0], topics[1], resampling, weighted=True),
    }


def layer_table(sets: Sequence[FeatureSet]) -> pd.DataFrame:
    """One row per feature set and layer. Columns `nested_…` are the set's numbers for held-out topics, the same in its rows."""
    return pd.DataFrame(
        [
            features.row(layer) | _prefixed("nested", features.topics.row())
            for features in sets
            for layer in features.layers
        ]
    )


def topic_table(sets: Sequence[FeatureSet], design: Design, names: Sequence[str]) -> pd.DataFrame:
    """One row per feature set and fold of held-out topics (joined by " + "), at the layer that the fold chose; `inner_r` is
    the mean r of that choice on the training topics."""
    rows: list[Row] = []
    for features in sets:
        folds = features.topics.folds
        estimates = fold_correlations(topic_scores(folds, design, RAW))
        for fold, r in zip(folds, estimates, strict=True):
            rows.append(
                {
                    "features": features.name,
                    "layer": int(fold.layers[RAW]),
                    "topics": " + ".join(names[topic] for topic in fold.held_out),
                    "alpha": float(fold.alphas[RAW]),
                    "inner_r": float(fold.inner[RAW]),
                    "n_train": fold.n_train,
                    "mean_utility": float(design.train.mu[fold.rows].mean()),
                    **r.metrics("r"),
                }
            )
    return pd.DataFrame(rows)


def _prefixed(prefix: str, row: Row) -> Row:
    return {f"{prefix}_{name}": value for name, value in row.items() if name not in NOT_METRICS}
