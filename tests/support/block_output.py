"""What a block gives out, read with a plain hook: the slow obvious oracle of everything that reads activations."""

import numpy as np
import torch

from assay.models.loading import LoadedModel


def block_output(loaded: LoadedModel, ids: list[int], layer: int) -> np.ndarray:
    """[tokens, d_model] float64 of one text, under whatever the model is wrapped in."""
    kept = {}
    hook = loaded.architecture.block(layer).register_forward_hook(
        lambda _module, _args, output: kept.update(h=output[0] if isinstance(output, tuple) else output)
    )
    with torch.no_grad():
        loaded.model(torch.tensor([ids]))
    hook.remove()
    rows: np.ndarray = kept["h"][0].double().numpy()
    return rows
