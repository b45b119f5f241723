"""Read hooks against Hugging Face's own hidden states and against hooks written by hand."""

import copy

import accelerate
import peft
import pytest
import torch
from support.toy_models import FAMILIES, build
from torch import nn

from assay.activations.capture import Capture
from assay.errors import AssayError
from assay.models.architecture import Architecture, locate
from assay.models.devices import input_device
from assay.models.sites import SITES

IDS = torch.tensor([[5, 9, 12, 31, 7, 22], [8, 3, 40, 11, 59, 2]])


def clone(hidden: torch.Tensor) -> torch.Tensor:
    return hidden.clone()


def read_all(model: nn.Module, site: str, layers: list[int], **options: bool) -> dict[int, torch.Tensor]:
    with torch.no_grad(), Capture(locate(model), site, layers, keep=clone, **options) as capture:
        return capture.run(lambda: model(input_ids=IDS, use_cache=False))


def hook_counts(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_resid_is_hidden_states(family: str) -> None:
    model = build(family)
    taken = read_all(model, "resid", [0, 1, 2])
    with torch.no_grad():
        expected = model(input_ids=IDS, output_hidden_states=True, use_cache=False).hidden_states
    assert torch.equal(taken[0], expected[1])
    assert torch.equal(taken[1], expected[2])
    # Hugging Face norms its last hidden state, so the deepest block is compared behind the model's own final norm.
    torch.testing.assert_close(locate(model).final_norm(taken[2]), expected[3])


def manual_oracle(model: nn.Module, architecture: Architecture, site: str, layer: int) -> torch.Tensor:
    """What the site means, by a hook on the plainly named module and nothing of the code under test."""
    block = architecture.block(layer)
    gpt2 = model.config.model_type == "gpt2"
    attention = block.attn if gpt2 else block.self_attn
    module, side = {
        "resid": (block, "output"),
        "attn_out": (getattr(block, "post_attention_layernorm", attention), "output"),
        "mlp_out": (getattr(block, "post_feedforward_layernorm", block.mlp), "output"),
        "mlp_neurons": (block.mlp.c_proj if gpt2 else block.mlp.down_proj, "input"),
        "heads": (attention.c_proj if gpt2 else attention.o_proj, "input"),
    }[site]
    if site == "attn_out" and not model.config.model_type.startswith("gemma"):
        module = attention  # in a pre-norm block post_attention_layernorm is the MLP's input norm
    seen = []

    def hook(_module: nn.Module, args: tuple, output: object) -> None:
        value = args[0] if side == "input" else output
        seen.append((value[0] if isinstance(value, tuple) else value).clone())

    handle = module.register_forward_hook(hook)
    with torch.no_grad():
        model(input_ids=IDS, use_cache=False)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_site_and_layer(family: str, site: str) -> None:
    model = build(family)
    architecture = locate(model)
    taken = read_all(model, site, [0, 1, 2])
    for layer in range(3):
        assert taken[layer].shape == (*IDS.shape, architecture.width(site))
        assert torch.equal(taken[layer], manual_oracle(model, architecture, site, layer))


@pytest.mark.parametrize("family", ["gemma3_text", "llama", "gpt2"])
def test_what_is_added_adds_up(family: str) -> None:
    model = build(family)
    resid, attn, mlp = (read_all(model, site, [0, 1]) for site in ("resid", "attn_out", "mlp_out"))
    torch.testing.assert_close(resid[1], resid[0] + attn[1] + mlp[1])


@pytest.mark.parametrize("site", SITES)
def test_nothing_beyond_the_deepest_layer_runs(site: str) -> None:
    model = build("gemma3_text")
    architecture = locate(model)
    calls: list[str] = []
    names = {architecture.block(layer): f"block {layer}" for layer in range(3)}
    names |= {architecture.final_norm: "norm", architecture.unembed: "logits"}
    for module, name in names.items():
        module.register_forward_pre_hook(lambda _m, _a, name=name: calls.append(name))
    read_all(model, site, [1])
    assert calls == ["block 0", "block 1"]
    calls.clear()
    read_all(model, site, [0, 2])
    assert calls == ["block 0", "block 1", "block 2"]


def test_a_site_inside_the_block_stops_before_the_rest_of_it() -> None:
    model = build("llama")
    calls: list[str] = []
    locate(model).block(1).mlp.register_forward_pre_hook(lambda *_: calls.append("mlp"))
    read_all(model, "attn_out", [1])
    assert calls == []


def test_without_early_exit_the_output_is_there() -> None:
    model = build("llama")
    outputs = []
    with torch.no_grad(), Capture(locate(model), "resid", [0], keep=clone, early_exit=False) as capture:
        capture.run(lambda: outputs.append(model(input_ids=IDS, use_cache=False)))
        plain = model(input_ids=IDS, use_cache=False)  # outside `run` the hooks do nothing
    assert torch.equal(outputs[0].logits, plain.logits)


@pytest.mark.parametrize("site", SITES)
def test_hooks_are_gone_after_an_exception(site: str) -> None:
    model = build("gemma3_text")
    before = hook_counts(model)

    def explode(_hidden: torch.Tensor) -> None:
        raise ValueError("from keep")

    capture = Capture(locate(model), site, [0, 2], keep=explode)
    with capture:
        assert hook_counts(model) == before + 2
    with pytest.raises(ValueError, match="from keep"), capture:
        capture.run(lambda: model(input_ids=IDS, use_cache=False))
    assert hook_counts(model) == before
    with pytest.raises(ZeroDivisionError), Capture(locate(model), site, [0], keep=clone):
        raise ZeroDivisionError
    assert hook_counts(model) == before
    assert model(input_ids=IDS).logits.shape == (2, 6, 60)


def test_a_stop_of_another_capture_is_not_swallowed() -> None:
    model = build("llama")
    with (
        Capture(locate(model), "resid", [2], keep=clone) as outer,
        Capture(locate(model), "resid", [0], keep=clone) as inner,
        torch.no_grad(),
    ):
        both = outer.run(
            lambda: inner.run(lambda: model(input_ids=IDS, use_cache=False)) and model(input_ids=IDS)
        )
    assert both.keys() == {2}


def test_only_what_keep_returns_stays_alive() -> None:
    model = build("llama")
    storages = []

    def keep(hidden: torch.Tensor) -> torch.Tensor:
        storages.append(hidden.untyped_storage().nbytes())
        return hidden[[0, 1], [3, 5]]

    with torch.no_grad(), Capture(locate(model), "resid", [0, 1, 2], keep=keep) as capture:
        taken = capture.run(lambda: model(input_ids=IDS, use_cache=False))
    for tensor in taken.values():
        assert tensor.untyped_storage().nbytes() == 2 * 16 * 4 < storages[0]


def test_under_a_peft_wrapper() -> None:
    plain = build("llama")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj", "o_proj"], init_lora_weights=False)
    wrapped = peft.get_peft_model(copy.deepcopy(plain), config)
    with torch.no_grad(), wrapped.disable_adapter():
        for site in SITES:
            off, expected = read_all(wrapped, site, [0, 1]), read_all(plain, site, [0, 1])
            torch.testing.assert_close(off[1], expected[1])
    with torch.no_grad():
        expected = wrapped(input_ids=IDS, output_hidden_states=True).hidden_states
    assert torch.equal(read_all(wrapped, "resid", [0, 1])[1], expected[2])
    assert not torch.allclose(read_all(plain, "resid", [1])[1], expected[2])


def test_no_layer_is_refused() -> None:
    with pytest.raises(AssayError, match="no layer"):
        Capture(locate(build("llama")), "resid", [], keep=clone)


def test_run_needs_the_with_block() -> None:
    with pytest.raises(RuntimeError, match="outside"):
        Capture(locate(build("llama")), "resid", [0], keep=clone).run(lambda: None)


@pytest.mark.parametrize("site", SITES)
def test_with_weights_that_accelerate_moves_in_and_out(site: str) -> None:
    """Under a device map each module's forward is wrapped; the stop must leave it able to run again."""
    model = build("gemma3_text")
    expected = read_all(model, site, [0, 1])
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    for _ in range(2):
        taken = read_all(model, site, [0, 1])
        assert all(torch.equal(taken[layer], expected[layer]) for layer in (0, 1))
    assert input_device(locate(model)) == torch.device("cpu")
