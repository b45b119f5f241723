"""A random model of Gemma 3 12B's shape on a GPU: tokens per second, and the share of the measured matmul peak."""

import random
import time

import numpy as np
import pytest
import torch
from benchmarks.conftest import Report
from benchmarks.device import DEVICE, ON_GPU, wait
from benchmarks.timing import interleave
from benchmarks.workload import GEMMA_12B, GEMMA_TINY, paragraphs, train_tokenizer
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assay.activations.batch_reader import BatchReader
from assay.forward.batching import pad, plan_batches
from assay.models.architecture import locate

TOKEN_BUDGET = 32768 if ON_GPU else 2048
MATRIX = 8192 if ON_GPU else 1024
DTYPE = torch.bfloat16 if ON_GPU else torch.float32
Ids = list[np.ndarray]


def build(sizes: dict[str, int]) -> torch.nn.Module:
    """Random weights made on the device, in the dtype they are read in."""
    torch.manual_seed(0)
    config = Gemma3TextConfig(**sizes, sliding_window=1024, dtype=DTYPE, pad_token_id=0)
    with DEVICE:
        return Gemma3ForCausalLM._from_config(config, dtype=DTYPE, attn_implementation="sdpa").eval()


def matmul_peak() -> float:
    """Best FLOP/s of a large square matrix product."""
    a, b = (torch.randn(MATRIX, MATRIX, device=DEVICE, dtype=DTYPE) for _ in range(2))
    best = 0.0
    for _ in range(10):
        wait()
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        wait()
        best = max(best, 5 * 2 * MATRIX**3 / (time.perf_counter() - began))
    return best


def block_flops(model: torch.nn.Module, n_tokens: int) -> float:
    """FLOPs that the blocks' weights need for these tokens (2 per weight and token); attention scores come on top."""
    weights = sum(p.numel() for p in locate(model).stack.layers.parameters() if p.ndim == 2)
    return 2.0 * weights * n_tokens


def random_tokens(count: int) -> Ids:
    """Token ids at random, as many in each record as `count` paragraphs of real prose have."""
    tokenizer, generator = train_tokenizer(), np.random.default_rng(0)
    return [
        generator.integers(3, 8000, len(tokenizer(record.text).input_ids)) for record in paragraphs(count)
    ]


def read(reader: BatchReader, ids: Ids, plan: list[list[int]]) -> None:
    for part in plan:
        reader.read(
            [str(i) for i in part], [ids[i] for i in part], [np.array([len(ids[i]) - 1]) for i in part]
        )


def bare(model: torch.nn.Module, ids: Ids, plan: list[list[int]]) -> None:
    """The blocks alone, over the same batches."""
    with torch.inference_mode():
        for part in plan:
            batch = pad([ids[i] for i in part], pad_id=0).to(DEVICE)
            model.model(input_ids=batch.ids, use_cache=False)
    wait()


@pytest.mark.timeout(1200)
def test_share_of_the_matmul_peak(report: Report) -> None:
    """On a CPU the same code runs on a tiny shape: it shows that the benchmark works, not how fast it is."""
    model = build(GEMMA_12B if ON_GPU else GEMMA_TINY)
    architecture = locate(model)
    ids = random_tokens(2048 if ON_GPU else 64)
    plan = plan_batches([len(one) for one in ids], TOKEN_BUDGET)
    warm_up = random.Random(0).sample(plan, min(3, len(plan)))
    layers = list(range(architecture.n_layers))
    stored = "bfloat16" if ON_GPU else "float32"
    with BatchReader(model, architecture, "resid", layers, pooling="last", dtype=stored) as reader:
        read(reader, ids, warm_up)
        bare(model, ids, warm_up)
        seconds = interleave(
            {"reading": lambda: read(reader, ids, plan), "bare": lambda: bare(model, ids, plan)}, 3
        )
    n_tokens, peak = sum(len(one) for one in ids), matmul_peak()
    where = f"{torch.cuda.get_device_name() if ON_GPU else 'CPU, tiny shape'}, peak {peak / 1e12:.3g} TFLOP/s"
    report.add("reading all layers, last token", n_tokens / seconds["reading"], "tokens/s", None, where)
    report.add(
        "share of the matmul peak",
        block_flops(model, n_tokens) / seconds["reading"] / peak,
        "share",
        None,
        where,
    )
    report.add("reading / bare forward", seconds["bare"] / seconds["reading"], "speed ratio", 0.97, where)
