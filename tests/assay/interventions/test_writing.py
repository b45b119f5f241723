"""Write hooks against formulas by hand, Hugging Face hidden states, and the unmodified model bit for bit."""

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import peft
import pytest
import torch
from support.toy_models import D_MLP, D_MODEL, FAMILIES, HEAD_DIM, N_HEADS, build

from assay.activations.capture import Capture
from assay.errors import AssayError
from assay.forward.batching import pad
from assay.interventions.interventions import OPERATORS, Intervention
from assay.interventions.writing import Row, Writer
from assay.models.architecture import locate
from assay.prompts.positions import Layout

IDS = torch.tensor([[5, 9, 12, 31, 7, 22], [8, 3, 40, 11, 59, 2]])
N = IDS.shape[1]
GENERATOR = torch.Generator().manual_seed(0)
V = torch.randn(D_MODEL, generator=GENERATOR)
HEADS = torch.randn(2, HEAD_DIM, generator=GENERATOR)
NO_SPANS = Layout(n_tokens=6, prompt_length=4)


def make(
    operator: str,
    coefficient: float,
    scope: str = "all",
    layer: int = 1,
    site: str = "resid",
    heads: torch.Tensor = HEADS,
) -> Intervention:
    if operator == "scale_neurons":
        return Intervention("scale_neurons", "mlp_neurons", layer, coefficient, scope, units=(3, 0, 17))
    if operator == "shift_heads":
        return Intervention("shift_heads", "heads", layer, coefficient, scope, heads, units=(2, 0))
    return Intervention(operator, site, layer, coefficient, scope, V, threshold=30.0)


def rows(*interventions: Sequence[Intervention], layout: Layout = NO_SPANS, first: int = 0) -> list[Row]:
    return [Row(layout, tuple(one), first, first + N) for one in interventions]


def read(
    model: Any, site: str, layer: int, aimed: Sequence[Row] = (), ids: torch.Tensor = IDS
) -> tuple[torch.Tensor, torch.Tensor]:
    """(what the site's tensor is after writing, logits)."""
    architecture = locate(model)
    outputs = []
    used = [intervention for row in aimed for intervention in row.interventions]
    with (
        torch.no_grad(),
        Writer(architecture, used) as writer,
        Capture(architecture, site, [layer], keep=torch.clone, early_exit=False) as capture,
    ):
        writer.aim(aimed, ids.shape[1])
        taken = capture.run(lambda: outputs.append(model(input_ids=ids, use_cache=False).logits))
    return taken[layer], outputs[0]


def by_hand(operator: str, h: torch.Tensor, c: float, width: int = HEAD_DIM) -> torch.Tensor:
    """The formula on one token's vector."""
    unit = V / V.norm()
    h = h.clone()
    if operator == "add":
        return h + c * V
    if operator == "ablate":
        return h - c * torch.dot(h, unit) * unit
    if operator == "cap":
        return h + c * max(0.0, 30.0 - float(torch.dot(h, unit))) * unit
    if operator == "scale_neurons":
        for unit_number in (3, 0, 17):
            h[unit_number] *= c
        return h
    for shift, head in zip(HEADS, (2, 0), strict=True):
        h[head * width : (head + 1) * width] += c * shift[:width]
    return h


SITE = {"scale_neurons": "mlp_neurons", "shift_heads": "heads"}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_operators_are_their_formulas_and_neighbours_stay(family: str, operator: str) -> None:
    model = build(family)
    site = SITE.get(operator, "resid")
    plain, plain_logits = read(model, site, 1)
    written, logits = read(
        model,
        site,
        1,
        rows([], [make(operator, 0.6, "response[:]", heads=HEADS[:, : locate(model).head_dim])]),
    )
    assert torch.equal(written[0], plain[0])  # the other row
    assert torch.equal(written[1, :4], plain[1, :4])  # the tokens out of scope
    assert torch.equal(logits[0], plain_logits[0])
    for token in (4, 5):
        torch.testing.assert_close(
            written[1, token], by_hand(operator, plain[1, token], 0.6, locate(model).head_dim)
        )
    untouched = {
        "scale_neurons": [1, 2, 23],
        "shift_heads": list(range(locate(model).head_dim, 2 * locate(model).head_dim)),
    }.get(operator, [])
    assert torch.equal(written[1, :, untouched], plain[1, :, untouched])
    assert not torch.equal(logits[1, 4:], plain_logits[1, 4:])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_doing_nothing_is_bit_exact(operator: str, dtype: torch.dtype) -> None:
    model = build("gemma3_text").to(dtype)
    neutral = make(operator, 1.0 if operator == "scale_neurons" else 0.0)
    _, plain = read(model, "resid", 1)
    _, logits = read(model, "resid", 1, rows([neutral], [neutral]))
    assert torch.equal(logits, plain)


def test_cap_has_two_sides() -> None:
    model = build("llama")
    plain, _ = read(model, "resid", 1)
    before = plain @ (V / V.norm())
    threshold = float(before.median())
    for bound, expected in (("floor", before.clamp(min=threshold)), ("ceiling", before.clamp(max=threshold))):
        cap = Intervention("cap", "resid", 1, 1.0, "all", V, threshold=threshold, bound=bound)
        written, _ = read(model, "resid", 1, rows([cap], [cap]))
        torch.testing.assert_close(written @ (V / V.norm()), expected)
        inside = before == expected
        assert inside.any()
        assert torch.equal(written[inside], plain[inside])


def test_ablation_takes_the_direction_out_of_every_layer() -> None:
    model = build("gemma3_text")
    everywhere = [make("ablate", 1.0, layer=layer) for layer in range(3)]
    for layer in range(3):
        written, _ = read(model, "resid", layer, rows(everywhere, everywhere))
        assert (written @ (V / V.norm())).abs().max() < 1e-5 * written.norm(dim=-1).max()


def test_a_row_may_carry_several_and_others_none() -> None:
    model = build("gemma3_text")
    aimed = rows(
        [make("add", 2.0), make("scale_neurons", 0.5), make("ablate", 1.0)], [make("add", -1.0, layer=0)]
    )
    _, together = read(model, "resid", 1, aimed)
    for row in range(2):
        _, alone = read(model, "resid", 1, [aimed[row]], IDS[[row]])
        torch.testing.assert_close(together[[row]], alone, atol=1e-5, rtol=1e-5)
    written, _ = read(model, "resid", 1, aimed)
    assert (written[0] @ V).abs().max() < 1e-4 * float(
        V.norm() * written[0].norm(dim=-1).max()
    )  # in order: added, then taken out


@pytest.mark.parametrize("coefficients", [np.linspace(-2, 2, 8)])
def test_many_coefficients_layers_and_scopes_in_one_batch(coefficients: np.ndarray) -> None:
    model = build("qwen3")
    scopes = ["all", "prompt[-1]", "response[:]", "response[:1]", "span:x"]
    layout = Layout(6, 4, {"x": np.array([1, 3])})
    expected_tokens = [[0, 1, 2, 3, 4, 5], [3], [4, 5], [4], [1, 3]]
    cases = list(itertools.product(coefficients, range(3), zip(scopes, expected_tokens, strict=True)))
    aimed = rows(*([make("add", float(c), scope, layer)] for c, layer, (scope, _) in cases), layout=layout)
    ids = IDS[:1].expand(len(cases), -1)
    plain = {layer: read(model, "resid", layer, ids=ids)[0] for layer in range(3)}
    for number, (c, layer, (_, tokens)) in enumerate(cases[:40:3]):
        written, _ = read(model, "resid", layer, [aimed[3 * number]], IDS[:1])
        others = [token for token in range(N) if token not in tokens]
        torch.testing.assert_close(written[0, tokens], plain[layer][0, tokens] + float(c) * V)
        torch.testing.assert_close(written[0, others], plain[layer][0, others], atol=1e-6, rtol=1e-5)
        together, _ = read(model, "resid", layer, aimed, ids)
        torch.testing.assert_close(together[3 * number], written[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["gemma3_text", "gemma2", "gpt2"])
def test_left_padding_shifts_nothing(family: str) -> None:
    model = build(family)
    sequences = [np.array([5, 9, 12, 31, 7, 22]), np.array([8, 3, 40])]
    layouts = [Layout(6, 4), Layout(3, 2)]
    for scope in ("all", "prompt[-1]", "response[:]", "response[:1]"):
        intervention = make("add", 1.5, scope)
        alone = [
            read(model, "resid", 1, [Row(a, (intervention,), 0, len(s))], torch.from_numpy(s)[None])[1][0]
            for s, a in zip(sequences, layouts, strict=True)
        ]
        batch = pad(sequences, pad_id=0, side="left")
        aimed = [
            Row(a, (intervention,), -int(start), len(s))
            for s, a, start in zip(sequences, layouts, batch.starts, strict=True)
        ]
        with torch.no_grad(), Writer(locate(model), [intervention]) as writer:
            writer.aim(aimed, 6)
            logits = model(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                position_ids=batch.position_ids,
                use_cache=False,
            ).logits
        torch.testing.assert_close(logits[0], alone[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(logits[1, 3:], alone[1], atol=1e-5, rtol=1e-4)


def test_under_a_peft_wrapper() -> None:
    plain = build("llama")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj", "o_proj"], init_lora_weights=False)
    wrapped = peft.get_peft_model(copy.deepcopy(plain), config)
    for operator in OPERATORS:
        aimed = rows([make(operator, 0.5)], [])
        with wrapped.disable_adapter():
            torch.testing.assert_close(read(wrapped, "resid", 2, aimed)[1], read(plain, "resid", 2, aimed)[1])
        site = SITE.get(operator, "resid")
        before, after = read(wrapped, site, 1)[0], read(wrapped, site, 1, aimed)[0]
        torch.testing.assert_close(after[0, 2], by_hand(operator, before[0, 2], 0.5))
        assert torch.equal(after[1], before[1])


def test_hooks_are_gone_after_an_exception() -> None:
    model = build("gemma3_text")
    _, plain = read(model, "resid", 1)
    used = [make(operator, 0.5) for operator in OPERATORS]
    writer = Writer(locate(model), used)
    with writer:
        assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()) == 3
    with pytest.raises(ZeroDivisionError), writer:
        raise ZeroDivisionError
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(read(model, "resid", 1)[1], plain)


def test_a_tensor_that_others_hold_is_not_edited() -> None:
    model = build("llama")
    held: list[torch.Tensor] = []
    copies: list[torch.Tensor] = []

    def hold(_module: Any, _args: Any, output: torch.Tensor) -> None:
        held.append(output)
        copies.append(output.clone())

    model.model.layers[1].register_forward_hook(
        hold
    )  # before the writer's, so it sees the block's own tensor
    read(model, "resid", 1, rows([make("add", 3.0)], [make("cap", 1.0)]))
    assert torch.equal(held[0], copies[0])


def test_gradients_reach_the_vector() -> None:
    model = build("llama").requires_grad_(False)
    vector = V.clone().requires_grad_()
    intervention = Intervention("add", "mlp_out", 1, 2.0, "prompt[-1]", vector)
    with Writer(locate(model), [intervention]) as writer:
        writer.aim(rows([intervention], []), N)
        logits = model(input_ids=IDS, use_cache=False).logits
    (gradient,) = torch.autograd.grad(logits[0, 5].sum(), vector)
    assert gradient.abs().sum() > 0
    (none,) = torch.autograd.grad(model(input_ids=IDS).logits.sum() * 0 + vector.sum() * 0, vector)
    assert none.abs().sum() == 0


@pytest.mark.parametrize("text", ["", "first_0", "first_k", "span:", "prompt", "Response"])
def test_unknown_scopes_are_refused(text: str) -> None:
    with pytest.raises(AssayError, match=r"unknown position .* write prompt\[-1\]"):
        make("add", 1.0, text)


BAD = {
    "needs `units`": lambda: Intervention("scale_neurons", "mlp_neurons", 0, 2.0),
    "works at the site heads": lambda: Intervention(
        "shift_heads", "resid", 0, 2.0, "all", HEADS, units=(0, 1)
    ),
    "needs a `vector`": lambda: Intervention("add", "resid", 0, 2.0),
    "takes no `vector`": lambda: Intervention("scale_neurons", "mlp_neurons", 0, 2.0, "all", V, units=(1,)),
    "norm of this vector is 0": lambda: Intervention("ablate", "resid", 0, 1.0, "all", torch.zeros(D_MODEL)),
    "norm of this vector is nan": lambda: Intervention("add", "resid", 0, 1.0, "all", V * torch.nan),
    "unknown operator": lambda: Intervention("sub", "resid", 0, 1.0, "all", V),
    "blocks 0 to 2": lambda: make("add", 1.0, layer=3),
    "another model": lambda: Intervention("add", "resid", 0, 1.0, "all", V[:-1]),
    f"unit {D_MLP} of {D_MLP}": lambda: Intervention("scale_neurons", "mlp_neurons", 0, 2.0, units=(D_MLP,)),
    f"unit {N_HEADS} of {N_HEADS}": lambda: Intervention(
        "shift_heads", "heads", 0, 2.0, "all", HEADS, units=(1, N_HEADS)
    ),
    "twice": lambda: Intervention("scale_neurons", "mlp_neurons", 0, 2.0, units=(1, 1)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_interventions_are_refused(message: str) -> None:
    architecture = locate(build("llama"))
    with pytest.raises(AssayError, match=message):
        Writer(architecture, [BAD[message]()])
