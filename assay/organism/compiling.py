"""Training compiled by torch: elementwise operators are fused, and threads of several shards do not wait for Python.

About 1.6 times as fast on two cores. Compiled and plain functions are the same mathematics in another order of rounding, so one machine
should stay with one of them: without a C++ compiler, or without Python's header files, training says so and runs the plain functions.
"""

import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException
from torch._dynamo.utils import counters

from assay.errors import AssayError
from assay.organism.loss import chunk_gradients, weighted_cross_entropy
from assay.organism.network import Network, block


def missing_for_compiling() -> str:
    """What this machine lacks to compile, or an empty string."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "a C++ compiler"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "Python's header files"
    return ""


def use_compiled(network: Network, *, rows: int, length: int) -> None:
    """Compile for batches of so many rows, in the calling thread, for as many threads per operator as are set now.

    Raises AssayError when torch cannot compile here.
    """
    try:
        _compile(network, rows, length)
    except TorchDynamoException as error:
        raise AssayError(
            f"torch.compile failed; set organism.optimisation.compile to false: {error}"
        ) from error


def _compile(network: Network, rows: int, length: int) -> None:
    breaks = sum(counters["graph_break"].values())
    network.block, network.chunk_gradients = _compiled(block), _compiled(chunk_gradients)
    ids = torch.zeros(rows, length, dtype=torch.long)
    hidden = network(ids, torch.zeros(rows, 1, length, length))
    total, _ = weighted_cross_entropy(
        hidden.flatten(0, 1),
        network.embedding,
        ids.flatten(),
        torch.ones(rows * length),
        network.precision,
        network.chunk_gradients,
    )
    torch.autograd.grad(total, network.embedding)
    if breaks := sum(counters["graph_break"].values()) - breaks:
        raise AssayError(
            f"torch.compile broke the graph in {breaks} places; set organism.optimisation.compile to false"
        )


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # The C++ wrapper runs a whole graph without Python's lock. With `fullgraph` torch counts compiled frames in one number for all
    # threads, so that two shards now and then found none and stopped a training; the check above does not need it.
    made: Callable[..., Any] = torch.compile(function, dynamic=False, options={"cpp_wrapper": True})
    return made
