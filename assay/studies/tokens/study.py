"""Probes of every layer, their controls and their numbers on held-out documents.

Training rows fit, validation rows choose (the best layer, the control's regularisation), test rows are only reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.activations.store import ActivationStore
from assay.errors import AssayError
from assay.probes.layer_study import LayerStudy, study_layers
from assay.probes.linear import Probe, fit_probes, shuffled_labels
from assay.statistics.bootstrap import Resampling
from assay.statistics.classification import (
    BinaryScores,
    auroc,
    balanced_accuracy,
    balanced_accuracy_difference,
    binary_scores,
    confusion,
    negative_accuracy,
    point_balanced_accuracy,
    positive_accuracy,
)
from assay.statistics.estimates import Estimate, mean_of_replicates
from assay.studies.tokens.ngram import CONTROLS, control_scores
from assay.studies.tokens.rows import SPLITS, Rows


@dataclass(frozen=True)
class TokenStudySettings:
    """How probes are fitted and judged; `shuffles` is the number of shuffled-label probes per layer."""

    weight_decay: float
    positive_weight_cap: float
    shuffles: int
    seed: int
    resamples: int

    @property
    def resampling(self) -> Resampling:
        """The bootstrap over documents."""
        return Resampling(self.seed, self.resamples)

    def describe(self) -> str:
        """The method in one line, for a file's metadata."""
        return (
            f"logistic regression on standardised activations, weight_decay={self.weight_decay}, "
            f"positive_weight_cap={self.positive_weight_cap}"
        )


@dataclass(frozen=True)
class TokenLayerResult:
    """One layer: the probe, the balanced accuracy on validation rows that it may be chosen by, the numbers on test rows."""

    probe: Probe
    criterion: float
    test: BinaryScores
    shuffled: Estimate


@dataclass(frozen=True)
class Study:
    """All layers of one variant, and the controls without a model on the same test rows, by name."""

    rows: Mapping[str, Rows]
    settings: TokenStudySettings
    controls: Mapping[str, BinaryScores]
    layers: LayerStudy[TokenLayerResult]

    def table_row(self, layer: int) -> dict[str, float | int]:
        """All numbers of a layer under flat names, those of the controls beside them."""
        result = self.layers[layer]
        counts = confusion(result.test)
        return {
            "layer": layer,
            **balanced_accuracy(result.test).metrics("balanced_accuracy"),
            **positive_accuracy(result.test).metrics("positive_accuracy"),
            **negative_accuracy(result.test).metrics("negative_accuracy"),
            **auroc(result.test).metrics("auroc"),
            "tp": counts.tp,
            "fp": counts.fp,
            "tn": counts.tn,
            "fn": counts.fn,
            "one_class": int(counts.one_class is not None),
            "converged": int(result.probe.converged),
            "validation": result.criterion,
            **result.shuffled.metrics("shuffled"),
            **self._against_controls(result.test),
        }

    def _against_controls(self, test: BinaryScores) -> dict[str, float | int]:
        """Each control's balanced accuracy, and the probe's minus it, paired."""
        flat: dict[str, float | int] = {}
        for name, scores in self.controls.items():
            flat |= balanced_accuracy(scores).metrics(name)
            difference = balanced_accuracy_difference(test, scores, self.settings.resampling)
            flat |= difference.metrics(f"minus_{name}")
        return flat


def run_study(store: ActivationStore, rows: Mapping[str, Rows], settings: TokenStudySettings) -> Study:
    """Fit the controls and every layer of `store`, one layer in memory at a time."""
    if settings.shuffles < 2:
        raise AssayError(f"the shuffled-label control needs at least 2 shuffles, found {settings.shuffles}")
    controls = _controls(rows)

    def fit(layer: int) -> TokenLayerResult:
        return fit_layer({split: _read(store, layer, rows[split]) for split in SPLITS}, rows, settings)

    return Study(rows, settings, controls, study_layers(store.layers, fit))


def _controls(rows: Mapping[str, Rows]) -> dict[str, BinaryScores]:
    train, validation, test = (rows[split] for split in SPLITS)
    controls = {}
    for name, control in CONTROLS.items():
        scores = control_scores(
            control, (train.before, train.label), (validation.before, validation.label), test.before
        )
        controls[name] = binary_scores(scores, test.label, test.group)
    return controls


def fit_layer(
    activations: Mapping[str, NDArray[np.float32]], rows: Mapping[str, Rows], settings: TokenStudySettings
) -> TokenLayerResult:
    """Fit true and shuffled labels together, score validation and test rows."""
    train, validation, test = (rows[split] for split in SPLITS)
    controls = shuffled_labels(train.label, settings.shuffles, seed=settings.seed)
    probes = fit_probes(
        activations["train"],
        np.column_stack([train.label, controls]),
        weight_decay=settings.weight_decay,
        positive_weight_cap=settings.positive_weight_cap,
    )
    chosen = probes[0].decision_function(activations["validation"])
    scores = np.stack([probe.decision_function(activations["test"]) for probe in probes], axis=1)
    return TokenLayerResult(
        probe=probes[0],
        criterion=float(point_balanced_accuracy(chosen[:, None], validation.label)[0]),
        test=binary_scores(scores[:, 0], test.label, test.group),
        shuffled=mean_of_replicates(point_balanced_accuracy(scores[:, 1:], test.label)),
    )


def _read(store: ActivationStore, layer: int, rows: Rows) -> NDArray[np.float32]:
    activations: NDArray[np.float32] = store.read(layer, rows.row)
    bad = int((~np.isfinite(activations)).any(axis=1).sum())
    if bad:
        raise AssayError(
            f"{store.path}: {bad} of {len(activations)} rows of layer {layer} hold NaN or infinity; extract again in "
            "bfloat16 or float32 (float16 overflows on some models)"
        )
    return activations
