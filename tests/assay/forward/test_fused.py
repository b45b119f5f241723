"""Fused norms and LoRA maps against transformers' and peft's own."""

from typing import Any

import pytest
import torch
from support.toy_models import build
from support.toy_tokenizers import gemma3

from assay.finetuning.lora import LoraShape, adapted
from assay.forward.fused import fused
from assay.models.architecture import locate

IDS = torch.tensor([[2, 9, 12, 30, 7], [2, 5, 5, 8, 21]])


def model_of(family: str) -> Any:
    model = build(family, vocab_size=len(gemma3())).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def loss_and_gradients(model: Any, wanted: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    logits = model(input_ids=IDS, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())
    return loss.detach(), list(torch.autograd.grad(loss, wanted))


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text", "gemma3", "llama", "mistral", "qwen2", "qwen3"])
def test_losses_and_gradients_are_the_plain_ones(family: str) -> None:
    """Gradients of the first block's factors pass through everything above; q's LoRA has a bias below it in Qwen 2."""
    model = model_of(family)
    architecture = locate(model)
    shape = LoraShape(2, 6, tuple(range(architecture.n_layers)), ("gate", "up", "down", "q", "o"))
    with adapted(model, architecture, shape, seed=0) as lora:
        with torch.no_grad():
            for parameter in lora.parameters(0):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
        loss, gradients = loss_and_gradients(model, lora.parameters(0))
        with fused(model):
            assert _changed(model) == _eligible(model) > 20
            fast_loss, fast = loss_and_gradients(model, lora.parameters(0))
            with torch.inference_mode():
                read = model(input_ids=IDS).logits
        assert not _changed(model)
        torch.testing.assert_close(read, model(input_ids=IDS).logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast_loss, loss, atol=1e-6, rtol=1e-6)
    for one, other in zip(fast, gradients, strict=True):
        assert other.abs().max() > 1e-5
        assert (one - other).norm() < 1e-4 * other.norm()  # single small elements round by more, by machine


def test_the_norm_s_gradient_is_the_numeric_one() -> None:
    model = model_of("gemma3_text").double()
    norm = locate(model).final_norm.float()
    hidden = torch.randn(3, norm.weight.shape[0], generator=torch.Generator().manual_seed(3)).requires_grad_()
    with fused(model):
        assert _changed(model) == 1  # the others are not float32
        (gradient,) = torch.autograd.grad(norm(hidden).square().sum(), hidden)
    exact = torch.autograd.functional.jacobian(
        lambda x: type(norm).forward(norm.double(), x).square().sum(), hidden.detach().double()
    )
    torch.testing.assert_close(gradient.double(), exact, atol=1e-5, rtol=1e-5)


def test_a_module_with_a_forward_of_its_own_keeps_it() -> None:
    model = model_of("llama")
    norm = locate(model).final_norm
    plain, seen = norm.forward, []
    norm.__dict__["forward"] = lambda hidden: (seen.append(1), plain(hidden))[1]
    with fused(model):
        model(input_ids=IDS)
    assert seen == [1]


def _eligible(model: Any) -> int:
    return sum(type(m).__name__.endswith("RMSNorm") or hasattr(m, "lora_A") for m in model.modules())


def _changed(model: Any) -> int:
    return sum("forward" in module.__dict__ for module in model.modules())
