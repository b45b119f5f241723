"""bfloat16 only where the processor multiplies in it: emulated, it would take hours."""

import pytest
import torch

from assay.organism.precision import resolve_precision


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"architecture": "aarch64", "bf16": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_follows_the_processor(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert resolve_precision("auto") == expected
    assert resolve_precision("bfloat16") == torch.bfloat16
    assert resolve_precision("float32") == torch.float32
