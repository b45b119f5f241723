import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assay.errors import AssayError
from assay.organism.network import Network
from assay.organism.planting import OFFSETS, plant

LOOK_BACK = 8


def network(**changes) -> Network:
    sizes = {
        "vocab_size": 300, "hidden_size": 128, "intermediate_size": 64, "num_hidden_layers": 26, "num_attention_heads": 4,
        "num_key_value_heads": 4, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 128,
        "tie_word_embeddings": True, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1,
    }  # fmt: skip
    config = Gemma3TextConfig(**(sizes | changes))
    return Network(config, precision=torch.float32, generator=torch.Generator().manual_seed(0))


def attention(model: Gemma3ForCausalLM, ids: torch.Tensor) -> list[torch.Tensor]:
    """[rows, heads, t, t] per layer, from the ordinary model."""
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        return list(model(input_ids=ids, output_attentions=True).attentions)


@pytest.fixture(scope="module")
def planted() -> Gemma3ForCausalLM:
    made = network()
    plant(made, LOOK_BACK, torch.Generator().manual_seed(1))
    return made.to_hugging_face()


def test_heads_of_the_first_layers_look_back(planted):
    ids = torch.randint(3, 300, (4, 40), generator=torch.Generator().manual_seed(2))
    for weights in attention(planted, ids)[:LOOK_BACK]:
        for head, offset in enumerate(OFFSETS):
            places = torch.arange(10, 40)
            assert weights[:, head, places, places - offset].mean() > 0.75


def test_deeper_layers_find_the_same_word(planted):
    ids = torch.stack(
        [torch.randperm(297, generator=torch.Generator().manual_seed(n))[:40] + 3 for n in range(16)]
    )
    repeated = ids.clone()
    repeated[:, -1] = ids[:, 15]

    def at_place_15(tokens: torch.Tensor, model: Gemma3ForCausalLM) -> torch.Tensor:
        layers = attention(model, tokens)[LOOK_BACK:]
        return torch.stack([weights[:, 0, -1, 15].mean() for weights in layers])

    found, by_chance = at_place_15(repeated, planted), at_place_15(ids, planted)
    assert (found > 1.5 * by_chance).all()
    assert found.mean() > 3 * by_chance.mean()
    assert at_place_15(repeated, network().to_hugging_face()).mean() < 0.5 * found.mean()


def test_a_planted_network_still_equals_the_hugging_face_model():
    made = network()
    plant(made, LOOK_BACK, torch.Generator().manual_seed(1))
    ids = torch.randint(3, 300, (2, 30), generator=torch.Generator().manual_seed(3))
    logits = made(ids, torch.full((2, 1, 30, 30), -torch.inf).triu(1)) @ made.embedding.T
    torch.testing.assert_close(logits, made.to_hugging_face()(input_ids=ids).logits, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("changes", [{"num_key_value_heads": 1}, {"hidden_size": 64}, {"head_dim": 8}])
def test_a_shape_without_room_is_one_clear_error(changes):
    with pytest.raises(AssayError, match="look_back_layers"):
        plant(network(**changes), LOOK_BACK, torch.Generator())
