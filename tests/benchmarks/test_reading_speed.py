"""Reading activations: against the bare forward pass, the reference procedure, nnsight and TransformerLens."""

import importlib.util

import numpy as np
import pytest
from benchmarks.conftest import Report
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

REPEATS = 5
WHICH = {"one middle layer": [6], "all layers": list(range(12))}

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("which", WHICH)
def test_against_the_bare_forward_pass(workload: Workload, report: Report, which: str) -> None:
    layers = WHICH[which]
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
    layers = WHICH[which]
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
    below = [i for i, layer in enumerate(layers) if layer < 11]  # Hugging Face norms its last hidden state
    np.testing.assert_allclose(results["reference"][:, below], ours[:, below], rtol=1e-3, atol=1e-3)
    ratio = seconds["reference"] / seconds["extraction"]
    report.add("whole extraction / reference procedure", ratio, "speed ratio", 4.0, which)


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("which", WHICH)
def test_against_other_libraries_in_the_same_batches(
    workload: Workload, report: Report, which: str, rival: str
) -> None:
    if importlib.util.find_spec(rival) is None:
        pytest.skip(f"{rival} is not installed (make bench installs the bench extra)")
    layers, prepared = WHICH[which], prepare(workload)
    read = RIVALS[rival](workload, layers)
    results: dict[str, np.ndarray] = {}
    seconds = interleave(
        {
            "ours": lambda: results.update(ours=read_batches(workload, prepared, layers)),
            "theirs": lambda: results.update(theirs=read(prepared)),
        },
        REPEATS,
    )
    np.testing.assert_allclose(results["theirs"], results["ours"], rtol=1e-2, atol=1e-2)
    report.add(
        f"reading / {rival}, same batches", seconds["theirs"] / seconds["ours"], "speed ratio", 1.0, which
    )
