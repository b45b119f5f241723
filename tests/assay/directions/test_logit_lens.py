"""The three readings by hand, on every family: weights as they are written, and the model's own logits."""

from typing import Any

import numpy as np
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from support.toy_models import D_MODEL, FAMILIES, N_LAYERS, build
from support.toy_tokenizers import gemma3

from assay.directions.logit_lens import LogitLens, lens_tokens, norm_gain, token_text
from assay.errors import AssayError
from assay.interventions.interventions import Intervention
from assay.interventions.writing import Row, Writer
from assay.models.architecture import locate
from assay.prompts.positions import Layout

IDS = torch.tensor([[1, 9, 12, 30, 31, 7, 44]])
VECTORS = torch.randn(3, D_MODEL, generator=torch.Generator().manual_seed(1))
GEMMA = ("gemma2", "gemma3_text", "gemma3")


def norm_by_hand(model_type: str, model: Any) -> tuple[torch.Tensor, bool]:
    """(gain, whether the norm takes the mean out) as each family's code writes it."""
    norm = locate(model).final_norm
    return (1 + norm.weight if model_type in GEMMA else norm.weight), model_type == "gpt2"


@pytest.mark.parametrize("model_type", FAMILIES)
@torch.no_grad()
def test_raw_and_gain(model_type: str) -> None:
    model: Any = build(model_type)
    lens = LogitLens(locate(model))
    weight = model.lm_head.weight
    torch.testing.assert_close(lens.raw(VECTORS), VECTORS @ weight.T)
    gain, centred = norm_by_hand(model_type, model)
    torch.testing.assert_close(norm_gain(lens.norm, D_MODEL), gain, rtol=1e-4, atol=1e-5)
    scaled = gain * (VECTORS - VECTORS.mean(dim=1, keepdim=True) if centred else VECTORS)
    torch.testing.assert_close(lens.gain(VECTORS), scaled @ weight.T, rtol=1e-4, atol=1e-4)
    order = lens.gain(VECTORS).argsort(dim=1)
    raw_order = lens.raw(VECTORS).argsort(dim=1)
    assert not torch.equal(order, raw_order)  # the norm matters to what is read


@pytest.mark.parametrize("model_type", FAMILIES)
@pytest.mark.parametrize("n", [7, 40])
@torch.no_grad()
def test_difference_is_what_adding_the_vector_to_the_last_block_does(model_type: str, n: int) -> None:
    model: Any = build(model_type)
    config = model.config.get_text_config()
    if model_type == "gemma2":
        config.final_logit_softcapping = 3.0  # so low that it bends these logits
    ids = IDS.repeat(1, 6)[:, :n]
    architecture = locate(model)
    kept: dict[str, torch.Tensor] = {}
    hook = architecture.final_norm.register_forward_pre_hook(lambda _m, args: kept.update(h=args[0][0]))
    before = model(ids).logits[0]
    hook.remove()
    found = LogitLens(architecture).difference(VECTORS, kept["h"])
    for vector, row in zip(VECTORS, found, strict=True):
        added = Intervention("add", "resid", N_LAYERS - 1, 1.0, "all", vector)
        with Writer(architecture, [added]) as writer:
            writer.aim([Row(Layout(n, n), (added,), 0, n)], n)
            after = model(ids).logits[0]
        torch.testing.assert_close(row, (after - before).mean(dim=0), rtol=1e-3, atol=2e-4)
    if model_type == "gemma2":
        assert found.abs().max() < 6  # two capped logits are never further apart
        assert LogitLens(architecture).raw(100 * VECTORS).abs().max() > 6


def test_hooks_that_move_tensors_stay_with_the_model() -> None:
    model: Any = build("gemma3_text")
    plain = LogitLens(locate(model)).gain(VECTORS)
    model.to(torch.bfloat16)
    add_hook_to_module(locate(model).final_norm, AlignDevicesHook("cpu", io_same_device=True))
    lens = LogitLens(locate(model))
    assert lens.gain(VECTORS).dtype == torch.float32
    torch.testing.assert_close(lens.gain(VECTORS), plain, rtol=0.05, atol=0.05)
    assert hasattr(locate(model).final_norm, "_hf_hook")


def test_readings_by_name() -> None:
    lens = LogitLens(locate(build("llama")))
    residuals = torch.randn(4, D_MODEL, generator=torch.Generator().manual_seed(2))
    assert torch.equal(lens.read("raw", VECTORS), lens.raw(VECTORS))
    assert torch.equal(lens.read("gain", VECTORS), lens.gain(VECTORS))
    assert torch.equal(lens.read("difference", VECTORS, residuals), lens.difference(VECTORS, residuals))
    with pytest.raises(AssayError, match="needs residuals"):
        lens.read("difference", VECTORS)
    with pytest.raises(AssayError, match="at least one residual"):
        lens.difference(VECTORS, residuals[:0])
    with pytest.raises(AssayError, match=r"vectors \[n, 16\]"):
        lens.raw(torch.ones(2, 5))


def test_an_unembedding_with_a_bias_is_refused() -> None:
    model: Any = build("llama")
    model.lm_head = torch.nn.Linear(D_MODEL, 60)
    with pytest.raises(AssayError, match="has a bias"):
        LogitLens(locate(model))


def test_tokens_are_ranked_from_both_ends() -> None:
    tokenizer = gemma3()
    values = torch.from_numpy(np.random.default_rng(0).permutation(len(tokenizer)).astype(np.float32))
    found = list(lens_tokens(tokenizer, values, 4))
    order = np.argsort(values.numpy())
    assert [one.token_id for one in found] == [*order[::-1][:4], *order[:4]]
    assert [(one.side, one.rank) for one in found] == [
        (s, r) for s in ("top", "bottom") for r in (1, 2, 3, 4)
    ]
    assert [one.value for one in found] == values[[one.token_id for one in found]].tolist()
    assert [one.token for one in found] == [token_text(tokenizer, one.token_id) for one in found]
    assert len(list(lens_tokens(tokenizer, values[:3], 10))) == 6


def test_a_token_has_a_text() -> None:
    tokenizer = gemma3()
    (the,) = tokenizer(" the", add_special_tokens=False)["input_ids"]
    assert token_text(tokenizer, the) == " the"
    assert token_text(tokenizer, tokenizer.convert_tokens_to_ids("<0xF0>")) == "<0xF0>"
    assert token_text(tokenizer, tokenizer.convert_tokens_to_ids("<0x0D>")) == "\\r"
    assert (
        token_text(tokenizer, len(tokenizer) + 5) == f"<{len(tokenizer) + 5}>"
    )  # padded vocabularies have such ids
