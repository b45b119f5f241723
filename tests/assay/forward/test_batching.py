from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.forward import batching
from assay.forward.batching import Halver, is_out_of_memory, pad, plan_batches


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(1, 200))
def test_every_record_once_within_the_budget_longest_first(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= budget or len(batch) == 1
    assert batches == plan_batches(lengths, budget)


def test_padding_is_small_for_sorted_lengths() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 2000).tolist()
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in plan_batches(lengths, 4096))
    assert padded < 1.03 * sum(lengths)


def test_padding_is_small_where_few_records_are_long() -> None:
    """Lengths of paragraphs: half of a plain packing to the budget would be padding."""
    lengths = (20 + 400 * np.random.default_rng(0).random(300) ** 6).astype(int).tolist()
    plan = plan_batches(lengths, 16384)
    assert sum(len(batch) * max(lengths[i] for i in batch) for batch in plan) < 1.3 * sum(lengths)
    assert len(plan) <= 8
    assert [len(batch) for batch in plan_batches([40, 39, 38, 2, 1], 160)] == [3, 2]


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(AssayError, match="at least 1"):
        plan_batches([3], 0)


SEQUENCES = [np.array([5, 6, 7]), np.array([8])]


def test_right_padding_of_a_causal_model_needs_no_mask() -> None:
    batch = pad(SEQUENCES, pad_id=0)
    assert batch.ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch.mask is None
    assert batch.position_ids is None
    assert batch.starts.tolist() == [0, 0]


def test_left_padding_counts_positions_from_the_first_token() -> None:
    batch = pad(SEQUENCES, pad_id=0, side="left")
    assert batch.ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert batch.mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch.position_ids.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert batch.starts.tolist() == [0, 2]


def test_a_bidirectional_model_gets_a_mask() -> None:
    assert pad(SEQUENCES, pad_id=0, causal=False).mask.tolist() == [[1, 1, 1], [1, 0, 0]]


OOM = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried"
    ),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    "host": MemoryError(),
}


class Machine:
    """Fits `capacity` padded tokens."""

    def __init__(self, lengths: list[int], capacity: int, error: BaseException):
        self.lengths, self.capacity, self.error = lengths, capacity, error
        self.tried: list[int] = []

    def forward(self, part: Sequence[int]) -> list[int]:
        cost = len(part) * max(self.lengths[i] for i in part)
        self.tried.append(cost)
        if cost > self.capacity:
            raise self.error
        return [10 * i for i in part]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(20, 100))
def test_halving_neither_drops_nor_reorders(lengths: list[int], capacity: int) -> None:
    machine = Machine(lengths, capacity, OOM["cpu"])
    halver = Halver(lengths, [str(i) for i in range(len(lengths))])
    batch = list(range(len(lengths)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            batching, "release_memory", lambda: None
        )  # a full garbage collection, hundreds of times
        parts = list(halver.run(batch, machine.forward))
    assert [i for part, _ in parts for i in part] == batch
    assert [value for _, values in parts for value in values] == [10 * i for i in batch]


@pytest.mark.parametrize("kind", OOM)
def test_every_allocator_is_understood(kind: str) -> None:
    machine = Machine([4] * 6, 12, OOM[kind])
    parts = list(Halver([4] * 6, list("abcdef")).run(range(6), machine.forward))
    assert [list(part) for part, _ in parts] == [[0, 1, 2], [3, 4, 5]]


def test_later_batches_are_halved_before_they_fail() -> None:
    lengths = [10] * 40
    machine = Machine(lengths, 50, OOM["cpu"])
    halver = Halver(lengths, [str(i) for i in range(40)])
    for start in (0, 10, 20, 30):
        list(halver.run(list(range(start, start + 10)), machine.forward))
    assert machine.tried.count(100) == 1
    assert machine.tried.count(50) == 8


def test_a_record_that_does_not_fit_alone_is_named() -> None:
    halver = Halver([5, 900], ["short", "long one"])
    machine = Machine([5, 900], 100, OOM["cuda"])
    with pytest.raises(AssayError, match=r"'long one' of 900 tokens does not fit.*shorter"):
        list(halver.run([0, 1], machine.forward))


def test_other_errors_pass_through() -> None:
    halver = Halver([5], ["a"])
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(halver.run([0], Machine([5], 1, RuntimeError("mat1 and mat2 shapes")).forward))
    assert not is_out_of_memory(ValueError("out of memory"))
