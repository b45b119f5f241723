"""nnsight and TransformerLens, each at its best: the same batches, last tokens only, stopped after the last layer."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from benchmarks.device import DEVICE
from benchmarks.procedures import Prepared
from benchmarks.workload import Workload


def nnsight(workload: Workload, layers: Sequence[int]) -> Callable[[Prepared], np.ndarray]:
    """A reader built on `NNsight.trace`, https://nnsight.net."""
    from nnsight import NNsight, save

    model = NNsight(workload.loaded.model)

    def read(prepared: Prepared) -> np.ndarray:
        rows = np.empty((len(prepared.ids), len(layers), workload.loaded.architecture.d_model), np.float32)
        with torch.inference_mode():
            for part, batch in prepared.batches:
                index, last = torch.arange(len(part)), torch.tensor([len(prepared.ids[i]) - 1 for i in part])
                inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
                with model.trace(**inputs) as tracer:
                    taken = save([])
                    for layer in layers:
                        taken.append(model.model.layers[layer].output[index, last])
                    tracer.stop()
                rows[part] = torch.stack(list(taken), dim=1).float().cpu().numpy()
        return rows

    return read


def transformer_lens(workload: Workload, layers: Sequence[int]) -> Callable[[Prepared], np.ndarray]:
    """A reader built on `TransformerBridge.run_with_cache`, https://transformerlensorg.github.io."""
    from transformer_lens.model_bridge import TransformerBridge

    loaded = workload.loaded
    bridge = TransformerBridge.boot_transformers(
        loaded.pin.source,
        hf_model=copy.deepcopy(loaded.model),
        tokenizer=copy.deepcopy(loaded.tokenizer),
        device=str(DEVICE),
    )
    names = [f"blocks.{layer}.hook_out" for layer in layers]

    def read(prepared: Prepared) -> np.ndarray:
        rows = np.empty((len(prepared.ids), len(layers), loaded.architecture.d_model), np.float32)
        with torch.inference_mode():
            for part, batch in prepared.batches:
                index, last = torch.arange(len(part)), torch.tensor([len(prepared.ids[i]) - 1 for i in part])
                _, cache = bridge.run_with_cache(
                    batch.ids, names_filter=names, stop_at_layer=max(layers) + 1, attention_mask=batch.mask
                )
                taken = torch.stack([cache[name][index, last] for name in names], dim=1)
                rows[part] = taken.float().cpu().numpy()
        return rows

    return read


RIVALS = {"nnsight": nnsight, "transformer_lens": transformer_lens}
