"""The dtype in which the organism's matrix products run."""

import torch

from assay.organism.settings import Precision

_UNITS = ("avx512_bf16", "amx_bf16")  # of x86 processors; others have not been measured


def resolve_precision(precision: Precision) -> torch.dtype:
    """`auto` is bfloat16 where the processor multiplies in it, else float32.

    Without such units torch emulates bfloat16: on an AVX2 processor its products ran at 3 GFLOP/s, those of float32 at 60.
    """
    if precision == "auto":
        found = torch.cpu.get_capabilities()
        return torch.bfloat16 if any(unit in found and found[unit] for unit in _UNITS) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
