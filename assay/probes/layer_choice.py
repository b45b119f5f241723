"""The layer of every fold of held-out groups, chosen without them.

The layer that reads best within the groups it was trained on need not be the one that carries over to new ones. So every
fold chooses on its own training groups: `leave_groups_out` already leaves each of them out in turn to choose a penalty,
and the layer is the one where the chosen penalty did best there. No row of a held-out group takes part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.probes.held_out_groups import Fold


@dataclass(frozen=True)
class LayeredFold(Fold):
    """A fold whose targets were each read at the layer chosen for them.

    Attributes:
        layers: [k] the layer chosen for each target.
    """

    layers: NDArray[np.int64]


def choose_layers(by_layer: Mapping[int, Sequence[Fold]]) -> list[LayeredFold]:
    """The same folds, each at the layer with the highest inner criterion; the earliest among equals.

    Args:
        by_layer: what `leave_groups_out` found for the same rows, targets and groups at every layer.

    Raises AssayError when the layers do not hold the same folds.
    """
    layers = sorted(by_layer)
    if not layers:
        raise AssayError("there is no layer to choose from; give the folds of at least one")
    held_out = [[fold.held_out for fold in by_layer[layer]] for layer in layers]
    if any(held != held_out[0] for held in held_out):
        raise AssayError("the layers hold different folds; read all of them from the same rows and groups")
    return [_choose(layers, folds) for folds in zip(*(by_layer[layer] for layer in layers), strict=True)]


def _choose(layers: Sequence[int], folds: Sequence[Fold]) -> LayeredFold:
    best = np.argmax([fold.inner for fold in folds], axis=0)  # [k]
    targets = range(len(best))
    return LayeredFold(
        held_out=folds[0].held_out,
        rows=folds[0].rows,
        alphas=np.array([folds[best[target]].alphas[target] for target in targets]),
        inner=np.array([folds[best[target]].inner[target] for target in targets]),
        scores=np.stack([folds[best[target]].scores[:, target] for target in targets], axis=1),
        n_train=folds[0].n_train,
        layers=np.asarray(layers, dtype=np.int64)[best],
    )
