"""Probes of every layer of several feature sets for the same tasks, and the differences between the sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd
from numpy.typing import ArrayLike

from assay.correlations import agreement_columns, pearson_of_totals
from assay.errors import AssayError
from assay.estimates import Estimate, paired_difference
from assay.fold_statistics import correlation_difference, fold_correlations
from assay.preferences.choice_probe import read_choices_out
from assay.preferences.readout import (
    RAW,
    Design,
    Readout,
    gaussian_controls,
    held_out_estimates,
    read_out,
    topic_estimates,
    topic_scores,
)
from assay.probes import UtilityProbe

Row = dict[str, float | int | str]
ReadLayer = Callable[[int], tuple[ArrayLike, ArrayLike]]
"""layer → activations of the training tasks [n, d] and of the evaluation tasks [m, d]."""


@dataclass(frozen=True)
class LayerResult:
    """One layer: its readout, its numbers, and the standard deviation of r over topic folds (population)."""

    readout: Readout
    estimates: Mapping[str, Estimate]
    topic_r_sd: float


@dataclass(frozen=True)
class FeatureSet:
    """All layers of one feature set.

    Attributes:
        name: what the set is called in tables and metrics.
        layers: results by layer.
        best_layer: the layer whose raw probe has the highest r on the sweep half; the earliest among equals.
        extra: controls and the Bradley–Terry probe's numbers, at the best layer.
        choice_probe: the Bradley–Terry probe of the best layer; None without choices between training tasks.
    """

    name: str
    layers: Mapping[int, LayerResult]
    best_layer: int
    extra: Mapping[str, Estimate]
    choice_probe: UtilityProbe | None

    def probes(self, target: int) -> dict[int, UtilityProbe]:
        """The ridge probes of one target (RAW or DEMEANED) by layer."""
        return {layer: result.readout.held_out.probes[target] for layer, result in self.layers.items()}

    def row(self, layer: int) -> Row:
        """All numbers of a layer under flat names. Raises AssayError for a layer that the set lacks."""
        if layer not in self.layers:
            raise AssayError(f"the features {self.name!r} hold no layer {layer}; they hold {[*self.layers]}")
        result = self.layers[layer]
        held_out = result.readout.held_out
        raw, demeaned = held_out.probes
        row: Row = {
            "features": self.name,
            "layer": layer,
            "selected": int(layer == self.best_layer),
            "sweep_r": float(held_out.sweep_r[RAW]),
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
    results: dict[int, LayerResult] = {}
    for layer in layers:
        readout = read_out(*read(layer), design)
        estimates = held_out_estimates(readout, design) | topic_estimates(readout, design)
        spread = float(topic_scores(readout, design, RAW).correlations().std())
        results[layer] = LayerResult(readout, estimates, spread)
        tell(len(results))
    best = max(results, key=lambda layer: (results[layer].readout.held_out.sweep_r[RAW], -layer))
    train, evaluation = read(best)
    extra = gaussian_controls(train, evaluation, design) if design.settings.shuffles > 1 else {}
    probe = None
    if design.train.pairs.n_choices:
        probe, judged = read_choices_out(train, evaluation, results[best].readout, design, penalties)
        extra |= judged
    return FeatureSet(name, results, best, extra, probe)


def summary(sets: Sequence[FeatureSet], design: Design, layer: int | None = None) -> Row:
    """Flat metrics: the best layer of every set, `layer` of the sets that hold it, and paired differences."""
    flat: Row = {}
    for features in sets:
        best = features.row(features.best_layer)
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
    """`first` minus `second`, each at its best layer, on the same resamples of the same tasks.

    `heldout_r`, `topic_r` and `topic_r_weighted`: an interval above zero says that `first` reads utilities better.
    """
    mine, other = (features.layers[features.best_layer].readout for features in (first, second))
    truth, resampling = design.truth(design.final)[RAW], design.settings.resampling
    held_out, topics = (
        [agreement_columns(readout.held_out.scores[RAW], truth) for readout in (mine, other)],
        [topic_scores(readout, design, RAW) for readout in (mine, other)],
    )
    return {
        "heldout_r": paired_difference(held_out[0], held_out[1], pearson_of_totals, resampling=resampling),
        "topic_r": correlation_difference(topics[0], topics[1], resampling, weighted=False),
        "topic_r_weighted": correlation_difference(topics[0], topics[1], resampling, weighted=True),
    }


def layer_table(sets: Sequence[FeatureSet]) -> pd.DataFrame:
    """One row per feature set and layer."""
    return pd.DataFrame([features.row(layer) for features in sets for layer in features.layers])


def topic_table(sets: Sequence[FeatureSet], design: Design, names: Sequence[str]) -> pd.DataFrame:
    """One row per feature set (at its best layer) and fold of held-out topics, joined by " + "."""
    rows: list[Row] = []
    for features in sets:
        readout = features.layers[features.best_layer].readout
        estimates = fold_correlations(topic_scores(readout, design, RAW), design.settings.resampling)
        for fold, r in zip(readout.folds, estimates, strict=True):
            rows.append(
                {
                    "features": features.name,
                    "layer": features.best_layer,
                    "topics": " + ".join(names[topic] for topic in fold.held_out),
                    "alpha": float(fold.alphas[RAW]),
                    "n_train": fold.n_train,
                    "mean_utility": float(design.train.mu[fold.rows].mean()),
                    **r.metrics("r"),
                }
            )
    return pd.DataFrame(rows)


def _prefixed(prefix: str, row: Row) -> Row:
    return {f"{prefix}_{name}": value for name, value in row.items() if name not in ("features", "selected")}
