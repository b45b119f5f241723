from dataclasses import dataclass

import pytest

from assay.errors import AssayError
from assay.probes.layer_study import study_layers


@dataclass(frozen=True)
class Found:
    criterion: float
    layer: int


def test_layers_are_fitted_in_order_and_the_earliest_of_the_best_is_chosen() -> None:
    told: list[int] = []
    criteria = {4: 0.5, 2: 0.9, 7: 0.9, 0: 0.1}
    study = study_layers(criteria, lambda layer: Found(criteria[layer], layer), tell=told.append)
    assert ([*study], told) == ([4, 2, 7, 0], [1, 2, 3, 4])
    assert study.best_layer == study.best.layer == 2
    assert study[7] == Found(0.9, 7)
    assert 3 not in study


def test_no_layer_is_an_error() -> None:
    with pytest.raises(AssayError, match="at least one layer"):
        study_layers([], lambda layer: Found(0.0, layer))
