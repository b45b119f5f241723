import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assay.organism.loss import weighted_cross_entropy
from assay.organism.network import KINDS, NORMS, Network
from assay.organism.optimizer import StackedMuon
from assay.organism.packing import Segment, make_batch, pack
from assay.organism.training import serial_operators


def config(**changes) -> Gemma3TextConfig:
    sizes = {
        "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 7, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64,
        "tie_word_embeddings": True, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1,
    }  # fmt: skip
    return Gemma3TextConfig(**(sizes | changes))


@pytest.fixture
def network() -> Network:
    """A network whose norm scales are not at their starting values."""
    made = Network(config(), precision=torch.float32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for index, norm in enumerate([*made.norms.values(), made.final_norm]):
            norm.add_(torch.randn(norm.shape, generator=torch.Generator().manual_seed(index)) * 0.2)
    return made


def causal(rows: int, length: int) -> torch.Tensor:
    return torch.full((rows, 1, length, length), -torch.inf).triu(1)


IDS = torch.randint(3, 50, (3, 20), generator=torch.Generator().manual_seed(7))


def test_function_is_that_of_the_hugging_face_model(network):
    model = network.to_hugging_face()
    logits = network(IDS, causal(3, 20)) @ network.embedding.T
    torch.testing.assert_close(logits, model(input_ids=IDS).logits, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_the_hugging_face_model(network):
    model: Gemma3ForCausalLM = network.to_hugging_face()
    logits = network(IDS, causal(3, 20)) @ network.embedding.T
    functional.cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    model(input_ids=IDS, labels=IDS).loss.backward()
    torch.testing.assert_close(
        network.embedding.grad, model.model.embed_tokens.weight.grad, atol=1e-5, rtol=1e-3
    )
    torch.testing.assert_close(network.final_norm.grad, model.model.norm.weight.grad, atol=1e-5, rtol=1e-3)
    for layer in range(7):
        for kind, path in (KINDS | NORMS).items():
            stack = network.matrices[kind] if kind in KINDS else network.norms[kind]
            expected = model.model.layers[layer].get_submodule(path).weight.grad
            torch.testing.assert_close(stack.grad[layer], expected, atol=1e-5, rtol=1e-3)


def test_bfloat16_products_stay_close(network):
    exact = network(IDS, causal(3, 20))
    network.precision = torch.bfloat16
    assert (network(IDS, causal(3, 20)) - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_a_packed_text_is_read_as_if_it_were_alone(network):
    rng = np.random.default_rng(0)
    segments = [Segment(rng.integers(3, 50, n), np.ones(n, np.float32), "x") for n in (5, 9, 4, 7)]
    rows = pack(segments, 16, rng)
    batch = make_batch(segments, rows, 16, ["x"])
    hidden = network(batch.ids, batch.mask())
    for row, members in enumerate(rows):
        start = 0
        for index in members:
            ids = torch.from_numpy(segments[index].ids)[None]
            alone = network(ids, causal(1, ids.shape[1]))[0]
            torch.testing.assert_close(hidden[row, start : start + len(alone)], alone, atol=1e-5, rtol=1e-4)
            start += len(alone)


def test_packing_keeps_every_segment_once_and_fills_rows():
    rng = np.random.default_rng(0)
    segments = [Segment(np.ones(n, np.int64), np.ones(n, np.float32), "x") for n in rng.integers(4, 30, 400)]
    rows = pack(segments, 64, rng)
    assert sorted(index for row in rows for index in row) == list(range(400))
    lengths = [sum(len(segments[index].ids) for index in row) for row in rows]
    assert max(lengths) <= 64
    assert sum(lengths) > 0.93 * 64 * len(rows)


def test_batches_never_predict_the_first_token_of_a_text_or_padding():
    segments = [
        Segment(np.array([2, 5, 6]), np.ones(3, np.float32), "a"),
        Segment(np.array([2, 7]), np.ones(2, np.float32), "b"),
    ]
    batch = make_batch(segments, [[0, 1]], 8, ["a", "b"])
    assert batch.ids[0].tolist() == [2, 5, 6, 2, 7, 0, 0, 0]
    assert batch.weights[0].tolist() == [0, 1, 1, 0, 1, 0, 0, 0]
    assert batch.kinds[0, :5].tolist() == [0, 0, 0, 1, 1]
    allowed = batch.mask()[0, 0] == 0
    assert allowed[4].tolist() == [False, False, False, True, True, False, False, False]


def test_loss_and_its_gradients_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1300, 12, generator=generator, requires_grad=True)
    embedding = torch.randn(40, 12, generator=generator, requires_grad=True)
    targets, weights = torch.randint(40, (1300,), generator=generator), torch.rand(1300, generator=generator)
    total, losses = weighted_cross_entropy(hidden, embedding, targets, weights, torch.float32)
    expected = functional.cross_entropy(hidden @ embedding.T, targets, reduction="none")
    torch.testing.assert_close(losses, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(total, (expected * weights).sum(), atol=1e-2, rtol=1e-5)
    ours = torch.autograd.grad(total * 0.5, (hidden, embedding))
    theirs = torch.autograd.grad((expected * weights).sum() * 0.5, (hidden, embedding))
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8), (1, 8, 8)])
def test_stacked_muon_moves_as_torch_muon(shape):
    """torch runs Newton-Schulz in bfloat16, so directions agree to its rounding."""
    from concurrent.futures import ThreadPoolExecutor

    generator = torch.Generator().manual_seed(0)
    stack = torch.randn(shape, generator=generator)
    singles = [torch.nn.Parameter(matrix.clone()) for matrix in stack]
    start = stack.clone()
    reference = torch.optim.Muon(
        singles, lr=0.1, weight_decay=0.0, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    ours = StackedMuon([stack])
    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            gradient = torch.randn(shape, generator=generator)
            for single, part in zip(singles, gradient, strict=True):
                single.grad = part.clone()
            reference.step()
            ours.step([gradient], 0.1, pool)
    moved, expected = (
        (stack - start).flatten(),
        (torch.stack([s.detach() for s in singles]) - start).flatten(),
    )
    assert torch.cosine_similarity(moved, expected, dim=0) > 0.999
    assert float(moved.norm() / expected.norm()) == pytest.approx(1, abs=0.02)


def test_serial_operators_restore_the_thread_count_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with serial_operators():
            assert torch.get_num_threads() == 1
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.get_num_threads() == before
