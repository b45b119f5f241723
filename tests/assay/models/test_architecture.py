"""Every family × site, on tiny random checkpoints that went through save_pretrained and from_pretrained."""

from contextlib import ExitStack

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support import toy_models
from torch import nn
from torch.testing import assert_close
from transformers import AutoModel, AutoModelForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM

from assay.errors import AssayError
from assay.models.architecture import Architecture, find_family, locate
from assay.models.sites import SITES, Site

IDS = torch.tensor([[1, 7, 33, 4, 50, 12, 9, 21], [1, 3, 3, 44, 8, 59, 10, 2]])
WIDTHS = {"resid": 16, "attn_out": 16, "mlp_out": 16, "mlp_neurons": 24, "heads": 24}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {name: toy_models.save(root / name, name) for name in toy_models.FAMILIES}


@pytest.fixture(scope="module", params=toy_models.FAMILIES)
def causal(request, folders):
    return load(folders[request.param])


def load(folder, auto=AutoModelForCausalLM) -> nn.Module:
    family = find_family(folder.name)
    return auto.from_pretrained(folder, attn_implementation=family.attention).eval()


def read(model: nn.Module, architecture: Architecture) -> tuple[dict[tuple[Site, int], torch.Tensor], tuple]:
    """Every site of every layer in one pass, and HF's hidden_states."""
    seen: dict[tuple[Site, int], torch.Tensor] = {}

    def hook(key):
        tap = architecture.tap(*key)
        return lambda _module, args, output: seen.__setitem__(key, tap.pick(args, output).detach().clone())

    with ExitStack() as stack, torch.no_grad():
        for key in ((site, layer) for site in SITES for layer in range(architecture.n_layers)):
            handle = architecture.tap(*key).module.register_forward_hook(hook(key))
            stack.callback(handle.remove)
        output = model(input_ids=IDS, output_hidden_states=True, use_cache=False)
    return seen, output.hidden_states


def check_sites(model: nn.Module) -> None:
    architecture = locate(model)
    seen, hidden = read(model, architecture)
    assert len(seen) == len(SITES) * toy_models.N_LAYERS
    for (site, layer), tensor in seen.items():
        assert tensor.shape == (*IDS.shape, architecture.width(site)), (site, layer)
    last = architecture.n_layers - 1
    for layer in range(architecture.n_layers):
        resid = seen["resid", layer]
        # HF's last entry is after the final norm, the others are block outputs as they are.
        expected = hidden[layer + 1]
        assert_close(architecture.final_norm(resid) if layer == last else resid, expected, rtol=0, atol=0)
        before = hidden[layer]
        assert_close(before + seen["attn_out", layer] + seen["mlp_out", layer], resid, rtol=1e-5, atol=1e-5)


def check_projections(model: nn.Module) -> None:
    """`heads` and `mlp_neurons` go through the output projections (and Gemma's post-norms) to attn_out and mlp_out."""
    architecture = locate(model)
    seen, _ = read(model, architecture)
    gpt2 = architecture.model.config.model_type == "gpt2"
    gemma = architecture.model.config.model_type.startswith("gemma")
    for layer in range(architecture.n_layers):
        block = architecture.block(layer)
        attention = block.attn.c_proj if gpt2 else block.self_attn.o_proj
        mlp = block.mlp.c_proj if gpt2 else block.mlp.down_proj
        attn_out, mlp_out = attention(seen["heads", layer]), mlp(seen["mlp_neurons", layer])
        if gemma:
            attn_out = block.post_attention_layernorm(attn_out)
            mlp_out = block.post_feedforward_layernorm(mlp_out)
        assert_close(attn_out, seen["attn_out", layer], rtol=0, atol=0)
        assert_close(mlp_out, seen["mlp_out", layer], rtol=0, atol=0)


def test_every_site_of_every_family(causal):
    check_sites(causal)
    check_projections(causal)


def test_sizes_and_widths(causal):
    architecture = locate(causal)
    n_heads, head_dim = architecture.n_heads, architecture.head_dim
    assert (architecture.n_layers, architecture.d_model, n_heads, architecture.d_mlp) == (3, 16, 4, 24)
    assert head_dim == (4 if causal.config.model_type in ("qwen2", "gpt2") else 6)
    for site in SITES:
        expected = n_heads * head_dim if site == "heads" else WIDTHS[site]
        assert architecture.width(site) == expected
    assert architecture.sizes.vocab_size == 60
    assert architecture.sizes.context_length == 64


def test_embedding_norm_and_unembedding_reproduce_the_logits(causal):
    architecture = locate(causal)
    with torch.no_grad():
        logits = causal(input_ids=IDS).logits
    seen, hidden = read(causal, architecture)
    if causal.config.model_type != "gpt2":  # GPT-2 adds position embeddings first
        assert_close(architecture.embed(IDS), hidden[0], rtol=0, atol=0)
    recomputed = architecture.unembed(architecture.final_norm(seen["resid", 2]))
    if causal.config.model_type == "gemma2":
        recomputed = 30 * torch.tanh(recomputed / 30)  # final_logit_softcapping
    assert_close(recomputed, logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", toy_models.FAMILIES)
def test_models_without_a_head(folders, name):
    model = load(folders[name], AutoModel)
    check_sites(model)
    with pytest.raises(AssayError, match="no language-model head"):
        locate(model).unembed  # noqa: B018


def lora(name: str) -> LoraConfig:
    if name == "gpt2":
        return LoraConfig(
            r=2, target_modules=["c_proj", "c_attn"], init_lora_weights=False, fan_in_fan_out=True
        )
    return LoraConfig(
        r=2, target_modules=r".*layers\.\d\.(mlp|self_attn)\.(down|up|o|q)_proj", init_lora_weights=False
    )


@pytest.mark.parametrize("name", toy_models.FAMILIES)
def test_under_a_lora_wrapper(folders, name):
    plain = load(folders[name])
    before, _ = read(plain, locate(plain))
    wrapped = get_peft_model(plain, lora(name)).eval()
    check_sites(wrapped)
    check_projections(wrapped)
    after, _ = read(wrapped, locate(wrapped))
    assert not torch.allclose(after["resid", 2], before["resid", 2]), (
        "the adapter must be active in what was read"
    )


def test_adapter_wrapped_with_another_adapter_name(folders):
    """A second adapter adds more modules named like the projections; the templates still find the same ones."""
    config = lora("llama")
    wrapped = get_peft_model(load(folders["llama"]), config).eval()
    before = locate(wrapped).tap("mlp_neurons", 1).module
    wrapped.add_adapter("second", config)
    assert locate(wrapped).tap("mlp_neurons", 1).module is before


def test_unsupported_family_names_the_supported_ones():
    config = GPTNeoXConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9
    )
    with pytest.raises(
        AssayError, match=r"'gpt_neox'.*supported: gemma2, gemma3, gemma3_text, gpt2, llama, mistral"
    ):
        locate(GPTNeoXForCausalLM(config))
    with pytest.raises(AssayError, match="'Linear'"):
        locate(nn.Linear(2, 2))


def test_a_family_with_its_blocks_elsewhere_is_refused(folders):
    model = load(folders["llama"])
    model.model.layers = nn.ModuleList()
    with pytest.raises(AssayError, match="no decoder blocks"):
        locate(model)


def test_layers_and_sites_out_of_range(folders):
    architecture = locate(load(folders["llama"]))
    with pytest.raises(AssayError, match="layer 3 of 3: the model has blocks 0 to 2"):
        architecture.block(3)
    with pytest.raises(AssayError, match="layer -1 of 3"):
        architecture.tap("resid", -1)
    with pytest.raises(AssayError, match="unknown site 'residual'"):
        architecture.tap("residual", 0)
