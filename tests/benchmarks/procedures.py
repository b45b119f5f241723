"""The ways to read activations that are compared. Each returns the last token's rows, so that they can be checked."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.device import DEVICE, TOKEN_BUDGET, wait
from benchmarks.workload import Workload
from torch import nn

from assay.activations.batch_reader import BatchReader
from assay.activations.extraction import extract
from assay.activations.request import Request
from assay.forward.batching import PaddedBatch, pad, plan_batches
from assay.prompts.tokenization import encode

REFERENCE_BATCH = 32


@dataclass(frozen=True)
class Prepared:
    """Encoded records, and the batches that every procedure but the reference gets."""

    ids: list[np.ndarray]
    names: list[str]
    plan: list[list[int]]

    @property
    def batches(self) -> Iterator[tuple[list[int], PaddedBatch]]:
        """(record numbers, their padded ids with a mask)."""
        for part in self.plan:
            yield part, pad([self.ids[i] for i in part], pad_id=0, causal=False).to(DEVICE)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each record."""
        return [len(one) for one in self.ids]


def prepare(workload: Workload) -> Prepared:
    encodings = [encode(workload.loaded.tokenizer, record) for record in workload.records]
    ids = [encoding.ids for encoding in encodings]
    plan = plan_batches([len(one) for one in ids], TOKEN_BUDGET)
    return Prepared(ids, [encoding.id for encoding in encodings], plan)


def truncate(model: nn.Module, n_layers: int) -> nn.Module:
    """The decoder below the head with only its first `n_layers` blocks."""
    decoder = copy.deepcopy(model.model)
    del decoder.layers[n_layers:]
    decoder.config.num_hidden_layers = n_layers
    decoder.norm = nn.Identity()
    return decoder


def bare(decoder: nn.Module, prepared: Prepared, *, mask: bool) -> None:
    """Nothing but the forward passes of the truncated decoder."""
    with torch.inference_mode():
        for _, batch in prepared.batches:
            decoder(input_ids=batch.ids, attention_mask=batch.mask if mask else None, use_cache=False)
    wait()


def whole_extraction(workload: Workload, layers: Sequence[int]) -> None:
    """Records in, store on disk out: tokenising, batching, reading, shards and assembly."""
    request = Request("resid", tuple(layers), "prompt[-1]", "last", "float32", TOKEN_BUDGET)
    scratch: Path = workload.folder / "scratch"
    extract(workload.loaded, workload.records, request, workload.folder / "store.h5", scratch=scratch)


def read_batches(workload: Workload, prepared: Prepared, layers: Sequence[int]) -> np.ndarray:
    """The reading alone, in the given batches: [records, layers, d]."""
    loaded = workload.loaded
    rows = np.empty((len(prepared.ids), len(layers), loaded.architecture.d_model), np.float32)
    reader = BatchReader(loaded.model, loaded.architecture, "resid", layers, pooling="last", dtype="float32")
    with reader:
        for part in prepared.plan:
            ids = [prepared.ids[i] for i in part]
            rows[part] = reader.read(
                [prepared.names[i] for i in part], ids, [np.array([len(i) - 1]) for i in ids]
            )
    return rows


def reference(workload: Workload, layers: Sequence[int]) -> np.ndarray:
    """The procedure found in published code: file order, batches of 32, every hidden state, logits."""
    model, tokenizer = workload.loaded.model, workload.loaded.tokenizer
    kept = []
    with torch.inference_mode():
        for start in range(0, len(workload.records), REFERENCE_BATCH):
            texts = [record.text for record in workload.records[start : start + REFERENCE_BATCH]]
            batch = tokenizer(texts, return_tensors="pt", padding=True).to(DEVICE)
            output = model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True
            )
            rows, last = torch.arange(len(texts)), batch.attention_mask.sum(1) - 1
            taken = torch.stack([output.hidden_states[layer + 1][rows, last] for layer in layers], dim=1)
            kept.append(taken.float().cpu())
    return torch.cat(kept).numpy()


def shortened(workload: Workload, count: int) -> Workload:
    """The same workload with its first records only, to warm up."""
    return replace(workload, records=workload.records[:count])
