"""Learned vectors as directions, so that they can be compared, projected on and looked at like all others."""

from pathlib import Path

from assay.directions.direction import Direction, DirectionInfo
from assay.errors import AssayError
from assay.finetuning.adapters import load_vectors


def learned_directions(folder: Path, pin: str) -> dict[str, Direction]:
    """The trained vectors of an adapter folder by name, each at its one layer; `pin` is the model they must be of.

    Raises AssayError when the folder holds no vectors, or those of another model.
    """
    adapter = load_vectors(folder)
    info = adapter.info
    if info.pin != pin:
        raise AssayError(
            f"{folder} was trained on another model ({info.model}, pin {info.pin[:12]}, not {pin[:12]}); give that "
            "model or train again"
        )
    assert info.site != ""
    (layer,) = info.layers
    return {
        name: Direction(
            {layer: vector.double().numpy()},
            DirectionInfo(
                pin=info.pin,
                site=info.site,
                method=f"learned: seed {info.seed}, learning rate {info.lr:g}, {info.step} steps",
                scales={},
                training=info.training,
            ),
        )
        for name, vector in adapter.vectors.items()
    }
