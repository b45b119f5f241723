"""A random model of Gemma 3 12B's shape on a GPU: tokens per second, and the share of the measured matmul peak."""

import random
import time

import numpy as np
import pytest
import torch
from benchmarks.conftest import Report
from benchmarks.workload import GEMMA_12B, GEMMA_TINY, paragraphs, train_tokenizer
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assay.architecture import locate
from assay.batching import plan_batches
from assay.reading import BatchReader

TOKEN_BUDGET = {"cuda": 32768, "cpu": 2048}
MATRIX = {"cuda": 8192, "cpu": 1024}


def build(sizes: dict[str, int], device: str, dtype: torch.dtype) -> torch.nn.Module:
    """Random weights made on the device, in the dtype they are read in."""
    torch.manual_seed(0)
    config = Gemma3TextConfig(**sizes, sliding_window=1024, dtype=dtype, pad_token_id=0)
    with torch.device(device):
        return Gemma3ForCausalLM._from_config(config, dtype=dtype, attn_implementation="sdpa").eval()


def matmul_peak(device: str, dtype: torch.dtype) -> float:
    """Best FLOP/s of a large square matrix product."""
    size = MATRIX[device]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        synchronize(device)
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        synchronize(device)
        best = max(best, 5 * 2 * size**3 / (time.perf_counter() - began))
    return best


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def block_flops(model: torch.nn.Module, lengths: list[int]) -> float:
    """FLOPs that the blocks' weights need for these tokens (2 per weight and token); attention scores come on top."""
    weights = sum(p.numel() for p in locate(model).stack.layers.parameters() if p.ndim == 2)
    return 2.0 * weights * sum(lengths)


def lengths_of_texts(count: int) -> list[int]:
    tokenizer = train_tokenizer()
    return [len(tokenizer(record.text).input_ids) for record in paragraphs(count)]


@pytest.mark.timeout(1200)
def test_share_of_the_matmul_peak(report: Report) -> None:
    """On a CPU the same code runs on a tiny shape: it shows that the benchmark works, not how fast it is."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = build(GEMMA_12B if device == "cuda" else GEMMA_TINY, device, dtype)
    architecture = locate(model)
    lengths = lengths_of_texts(2048 if device == "cuda" else 64)
    generator = np.random.default_rng(0)
    ids = [generator.integers(3, 8000, length) for length in lengths]
    plan = plan_batches(lengths, TOKEN_BUDGET[device])
    layers = list(range(architecture.n_layers))
    stored = "bfloat16" if device == "cuda" else "float32"
    with BatchReader(model, architecture, "resid", layers, pooling="last", dtype=stored) as reader:

        def read(batches: list[list[int]]) -> float:
            began = time.perf_counter()
            for part in batches:
                reader.read(
                    [str(i) for i in part], [ids[i] for i in part], [np.array([lengths[i] - 1]) for i in part]
                )
            return time.perf_counter() - began

        read(random.Random(0).sample(plan, min(3, len(plan))))
        seconds = sorted(read(plan) for _ in range(3))[1]
    peak, flops = matmul_peak(device, dtype), block_flops(model, lengths)
    where = f"{torch.cuda.get_device_name() if device == 'cuda' else 'CPU, tiny shape'}, peak {peak / 1e12:.3g} TFLOP/s"
    report.add("reading all layers, last token", sum(lengths) / seconds, "tokens/s", None, where)
    report.add("share of the matmul peak", flops / seconds / peak, "share", None, where)
