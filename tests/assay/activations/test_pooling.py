import numpy as np
import pytest
import torch

from assay.activations.pooling import pool

VALUES = torch.tensor(np.random.default_rng(0).normal(size=(9, 4)), dtype=torch.float32)
COUNTS = torch.tensor([1, 5, 3])
GROUPS = [VALUES[:1], VALUES[1:6], VALUES[6:]]


def test_none_keeps_every_token() -> None:
    assert torch.equal(pool(VALUES, COUNTS, "none"), VALUES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_each_against_the_plain_loop(dtype: torch.dtype) -> None:
    groups = [group.to(dtype) for group in GROUPS]
    values = VALUES.to(dtype)
    assert torch.equal(pool(values, COUNTS, "last"), torch.stack([group[-1] for group in groups]))
    assert torch.equal(pool(values, COUNTS, "max"), torch.stack([group.amax(0) for group in groups]))
    mean = pool(values, COUNTS, "mean")
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, torch.stack([group.float().mean(0) for group in groups]))


def test_bfloat16_mean_is_accumulated_in_float32() -> None:
    values = torch.full((4096, 1), 1.0, dtype=torch.bfloat16)
    values[0] = 256.0  # in bfloat16, 256 + 1 = 256: the sum would never grow
    expected = (256.0 + 4095) / 4096
    assert pool(values, torch.tensor([4096]), "mean").item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_a_row_does_not_depend_on_the_other_records(pooling: str) -> None:
    alone = [pool(group, torch.tensor([len(group)]), pooling)[0] for group in GROUPS]
    assert torch.equal(pool(VALUES, COUNTS, pooling), torch.stack(alone))
