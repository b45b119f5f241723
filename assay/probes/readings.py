"""How well a probe reads utilities: correlation, explained variance, and accuracy on real choices."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from assay.activations.store import ActivationStore
from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.linear import LinearProbe
from assay.statistics.bootstrap import Resampling
from assay.statistics.choices import Choices, accuracy
from assay.statistics.correlations import pearson, r_squared, shifted_r_squared
from assay.statistics.estimates import Estimate
from assay.statistics.rank_correlation import spearman


def evaluate_probe(
    probe: LinearProbe,
    activations: ActivationStore | ArrayLike,
    utilities: Mapping[str, float] | ArrayLike,
    comparisons: Choices | None = None,
    *,
    layer: int | None = None,
    resampling: Resampling | None = None,
) -> dict[str, Estimate]:
    """Judge a probe on items that did not train it.

    Args:
        probe: what `load_probe` returns.
        activations: raw activations [n, d], or an open store with one row per item.
        utilities: [n] in the order of the rows; for a store by item id, in any order.
        comparisons: real choices between the items, numbered in the order of `utilities`.
        layer: the store's layer to read; needed where it holds several.
        resampling: the bootstrap over items.

    Returns estimates `r` (Pearson), `spearman`, `r2`, `r2_shifted` (scores shifted to the mean utility: measurements have their own
    zero) and, with comparisons, `accuracy` (see `assay.statistics.choices`). Raises AssayError for items that the store lacks.
    """
    resampling = resampling or Resampling(seed=0)
    rows, truth = _rows_and_truth(activations, utilities, layer)
    scores = probe.decision_function(rows)
    if len(scores) != len(truth):
        raise AssayError(
            f"{len(scores)} rows of activations for {len(truth)} utilities; give one row for each"
        )
    return judge_scores(scores, truth, comparisons, resampling)


def judge_scores(
    scores: Floats, truth: Floats, comparisons: Choices | None, resampling: Resampling
) -> dict[str, Estimate]:
    """The estimates of `evaluate_probe` for scores and true values [n]."""
    found = {
        "r": pearson(scores, truth),
        "spearman": spearman(scores, truth, resampling),
        "r2": r_squared(scores, truth, resampling),
        "r2_shifted": shifted_r_squared(scores, truth, resampling),
    }
    if comparisons is not None:
        found["accuracy"] = accuracy(scores, comparisons, resampling)
    return found


def _rows_and_truth(
    activations: ActivationStore | ArrayLike, utilities: Mapping[str, float] | ArrayLike, layer: int | None
) -> tuple[ArrayLike, Floats]:
    if not isinstance(activations, ActivationStore):
        if isinstance(utilities, Mapping):
            raise AssayError(
                "utilities by id need a store, which knows its ids; give a plain array of utilities"
            )
        return activations, np.asarray(utilities, dtype=np.float64)
    if not isinstance(utilities, Mapping):
        raise AssayError("a store's rows are found by id; give utilities as a mapping from id to utility")
    if layer is None and len(activations.layers) > 1:
        raise AssayError(f"{activations.path} holds layers {activations.layers}; say which one to read")
    chosen = activations.layers[0] if layer is None else layer
    return activations.read(chosen, activations.rows_of_ids(list(utilities))), np.array([*utilities.values()])
