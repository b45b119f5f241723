"""Reading activations: against the bare forward pass, the reference procedure, nnsight and TransformerLens."""

import importlib.util

import numpy as np
import pytest
from benchmarks.conftest import Report
from benchmarks.device import ON_GPU
from benchmarks.procedures import (
    bare,
    prepare,
    read_batches,
    reference,
    shortened,
    truncate,
    whole_extraction,
)
from benchmarks.rivals import RIVALS
from benchmarks.timing import interleave
from benchmarks.workload import Workload

REPEATS = 3 if ON_GPU else 5
WHICH = ("one middle layer", "all layers")

pytestmark = pytest.mark.timeout(1200)


def choose(workload: Workload, which: str) -> list[int]:
    """The layers of one of WHICH."""
    n_layers = workload.loaded.architecture.n_layers
    return [n_layers // 2] if which == "one middle layer" else list(range(n_layers))


def assert_agree(theirs: np.ndarray, ours: np.ndarray, tolerance: float) -> None:
    """Equal but for rounding, which in bfloat16 differs with a batch's shape and its attention kernel."""
    if ON_GPU:
        assert np.linalg.norm(theirs - ours) / np.linalg.norm(ours) < 0.03
    else:
        np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("which", WHICH)
def test_against_the_bare_forward_pass(workload: Workload, report: Report, which: str) -> None:
    layers = choose(workload, which)
    prepared, decoder = prepare(workload), truncate(workload.loaded.model, max(layers) + 1)
    bare(decoder, prepared, mask=True)
    seconds = interleave(
        {
            "bare": lambda: bare(decoder, prepared, mask=False),
            "bare, masked": lambda: bare(decoder, prepared, mask=True),
            "reading": lambda: read_batches(workload, prepared, layers),
            "extraction": lambda: whole_extraction(workload, layers),
        },
        REPEATS,
    )
    tokens = sum(prepared.lengths)
    detail = f"{which}; {tokens} tokens, {tokens / seconds['reading']:.0f} tokens/s"
    report.add("reading / bare forward", seconds["bare"] / seconds["reading"], "speed ratio", 0.97, detail)
    report.add(
        "whole extraction / bare forward",
        seconds["bare"] / seconds["extraction"],
        "speed ratio",
        0.97,
        detail,
    )
    masked = seconds["bare, masked"] / seconds["extraction"]
    report.add("whole extraction / bare forward with HF's padding mask", masked, "speed ratio", 0.97, detail)


@pytest.mark.parametrize("which", WHICH)
def test_against_the_reference_procedure(workload: Workload, report: Report, which: str) -> None:
    layers = choose(workload, which)
    prepared = prepare(workload)
    reference(shortened(workload, 8), layers)
    results: dict[str, np.ndarray] = {}
    seconds = interleave(
        {
            "extraction": lambda: whole_extraction(workload, layers),
            "reference": lambda: results.update(reference=reference(workload, layers)),
        },
        REPEATS,
    )
    ours = read_batches(workload, prepared, layers)
    last = workload.loaded.architecture.n_layers - 1
    below = [i for i, layer in enumerate(layers) if layer < last]  # Hugging Face norms its last hidden state
    assert_agree(results["reference"][:, below], ours[:, below], 1e-3)
    ratio = seconds["reference"] / seconds["extraction"]
    report.add("whole extraction / reference procedure", ratio, "speed ratio", 4.0, which)


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("which", WHICH)
def test_against_other_libraries_in_the_same_batches(
    workload: Workload, report: Report, which: str, rival: str
) -> None:
    if importlib.util.find_spec(rival) is None:
        pytest.skip(f"{rival} is not installed (make bench installs the bench extra)")
    layers, prepared = choose(workload, which), prepare(workload)
    read = RIVALS[rival](workload, layers)
    results: dict[str, np.ndarray] = {}
    seconds = interleave(
        {
            "ours": lambda: results.update(ours=read_batches(workload, prepared, layers)),
            "theirs": lambda: results.update(theirs=read(prepared)),
        },
        REPEATS,
    )
    assert_agree(results["theirs"], results["ours"], 1e-2)
    report.add(
        f"reading / {rival}, same batches", seconds["theirs"] / seconds["ours"], "speed ratio", 1.0, which
    )
