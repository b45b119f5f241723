"""Generation against Hugging Face's own, token for token, and rows that keep what is theirs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import peft
import pytest
import torch
from support.toy_models import D_MODEL, FAMILIES, build
from support.toy_tokenizers import gemma3

from assay.errors import AssayError
from assay.forward import batching
from assay.generation import decoding
from assay.generation.generation import Generation, generate
from assay.interventions.interventions import Intervention
from assay.prompts.records import Message, PromptRecord, Span
from assay.prompts.tokenization import encode

TEXTS = [
    "the cat",
    "the capital of France is Paris.",
    "no",
    "is Rome north of Oslo?",
    "the dog ran and sat on the mat",
]
TOKENIZER = gemma3()
RECORDS = [
    PromptRecord(id=f"r{i}", messages=(Message(role="user", content=text),)) for i, text in enumerate(TEXTS)
]
NEW = 9


def model_of(family: str) -> Any:
    model = build(family, vocab_size=len(TOKENIZER))
    model.generation_config.eos_token_id = [99_999]  # none
    model.generation_config.pad_token_id = 0
    return model


def vector(seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(seed))


def answers(model: Any, records: Sequence[PromptRecord] = RECORDS, **options: Any) -> list[Generation]:
    return list(generate(model, TOKENIZER, records, max_new_tokens=NEW, **options))


def hf_greedy(model: Any, record: PromptRecord, stop: list[int] | None = None) -> list[int]:
    """Hugging Face's generation of one record alone, without padding."""
    ids = torch.from_numpy(encode(TOKENIZER, record).ids)[None]
    mask = torch.ones_like(ids)
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=NEW,
        do_sample=False,
        eos_token_id=stop,
        pad_token_id=0,
    )
    return out[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_is_hugging_face_token_for_token(family: str) -> None:
    model = model_of(family)
    got = answers(model)
    assert [list(g.ids) for g in got] == [hf_greedy(model, record) for record in RECORDS]
    assert [g.id for g in got] == [record.id for record in RECORDS]
    assert {(g.finish_reason, g.config, g.seed) for g in got} == {("length", "plain", None)}
    assert got[0].text == TOKENIZER.decode(got[0].ids, skip_special_tokens=True)


def test_under_a_peft_wrapper() -> None:
    model = model_of("gemma3_text")
    plain = answers(model)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    wrapped = peft.get_peft_model(model, config).eval()
    got = answers(
        wrapped, interventions={"plain": [], "more": [Intervention("add", "resid", 0, 4.0, "all", vector())]}
    )
    merged = wrapped.merge_and_unload()
    alone = {record.id: hf_greedy(merged, record) for record in RECORDS}
    assert {g.id: list(g.ids) for g in got if g.config == "plain"} == alone
    assert [g.ids for g in got if g.config == "more"] != [g.ids for g in got if g.config == "plain"]
    assert [list(g.ids) for g in plain] != list(alone.values())


@pytest.mark.parametrize("family", ["gemma3_text", "llama"])
def test_rows_that_stop_leave_the_others_alone(family: str) -> None:
    model = model_of(family)
    plain = [hf_greedy(model, record) for record in RECORDS]
    in_some = sorted({t for ids in plain for t in ids} - set.intersection(*map(set, plain)))
    stop = in_some[:1]
    model.generation_config.eos_token_id = stop
    reasons = set()
    for got, record in zip(answers(model), RECORDS, strict=True):
        expected = hf_greedy(model, record, stop)
        stopped = expected[-1] in stop
        assert list(got.ids) == (expected[:-1] if stopped else expected)
        assert got.finish_reason == ("stop" if stopped else "length")
        reasons.add(got.finish_reason)
    assert reasons == {"stop", "length"}


def test_sampling_does_not_depend_on_the_batch() -> None:
    model = model_of("gemma3_text")
    together = answers(model, temperature=1.0, seed=3)
    alone = [answers(model, [record], temperature=1.0, seed=3)[0] for record in RECORDS]
    small = answers(model, RECORDS[::-1], temperature=1.0, seed=3, token_budget=40)
    assert together == alone == small[::-1]
    assert together != answers(model, temperature=1.0, seed=4)
    assert {g.seed for g in together} == {3}


def test_samples_follow_the_distribution() -> None:
    model = model_of("gemma3_text")
    ids = torch.from_numpy(encode(TOKENIZER, RECORDS[0]).ids)[None]
    with torch.no_grad():
        expected = (model(ids).logits[0, -1] / 0.7).softmax(-1)
    many = [dataclasses.replace(RECORDS[0], id=f"copy {i}") for i in range(1500)]
    drawn = list(generate(model, TOKENIZER, many, max_new_tokens=1, temperature=0.7, token_budget=40_000))
    counts = torch.bincount(torch.tensor([g.ids[0] for g in drawn]), minlength=len(expected))
    common = expected > 0.01
    assert common.sum() > 3
    deviation = (counts / len(many) - expected) / (expected * (1 - expected) / len(many)).sqrt()
    assert deviation[common].abs().max() < 4.5  # in standard errors


def hooked_greedy(
    model: Any, record: PromptRecord, layer: int, delta: torch.Tensor, tokens: Any
) -> list[int]:
    """No cache, no batch: the whole sequence again for each token, a plain hook that adds at `tokens(n_prompt, n)`."""
    from assay.models.architecture import locate

    ids = encode(TOKENIZER, record).ids.tolist()
    n_prompt = len(ids)

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[0, tokens(n_prompt, len(ids))] += delta
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = locate(model).block(layer).register_forward_hook(hook)
    with torch.no_grad():
        for _ in range(NEW):
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    handle.remove()
    return ids[n_prompt:]


SCOPES = {
    "all": lambda _p, n: list(range(n)),
    "prompt[-1]": lambda p, _n: [p - 1],
    "response[:]": lambda p, n: list(range(p, n)),
    "response[:2]": lambda p, n: list(range(p, min(p + 2, n))),
}


@pytest.mark.parametrize("family", ["gemma3_text", "gemma2", "llama", "qwen3", "gpt2"])
def test_every_row_gets_its_own_scope_layer_and_coefficient(family: str) -> None:
    model = model_of(family)
    v = vector()
    configs = {
        f"{scope} {layer} {c}": [Intervention("add", "resid", layer, c, scope, v)]
        for scope in SCOPES
        for layer, c in ((0, 1.0), (1, -0.6))
    }
    got = answers(model, interventions={"plain": [], **configs})
    by_key = {(g.id, g.config): list(g.ids) for g in got}
    changed = 0
    for record in RECORDS[:3]:
        assert by_key[record.id, "plain"] == hf_greedy(model, record)
        for config in configs:
            scope, layer, c = config.split()
            expected = hooked_greedy(model, record, int(layer), float(c) * v, SCOPES[scope])
            assert by_key[record.id, config] == expected
            changed += expected != by_key[record.id, "plain"]
    assert changed > len(configs)  # the comparison is not of equal things


def test_a_split_for_lack_of_memory_never_shifts_interventions(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("llama")
    configs = {
        str(c): [Intervention("add", "resid", 1, c, "response[:]", vector())] for c in (0.0, 0.5, 1.0, 2.0)
    }
    expected = answers(model, interventions=configs, temperature=0.8, token_budget=1)  # every row alone
    run, tried = decoding.Decoder.run, []

    def short_of_memory(self: Any, writer: Any, jobs: Sequence[Any]) -> Any:
        tried.append(len(jobs))
        result = run(self, writer, jobs)  # fails late, with the hooks aimed at the large batch
        if len(jobs) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return result

    monkeypatch.setattr(batching, "release_memory", lambda: None)  # a full garbage collection, often
    monkeypatch.setattr(decoding.Decoder, "run", short_of_memory)
    assert answers(model, interventions=configs, temperature=0.8) == expected
    assert max(tried) > 3 > min(tried)
    assert len({g.ids for g in expected if g.id == "r0"}) == 4


def test_spans_scope_the_records_that_have_them() -> None:
    model = model_of("llama")
    text = "is Rome north of Oslo?"
    spanned = PromptRecord(
        id="s", messages=(Message(role="user", content=text),), spans={"city": (Span((0, 3, 7)),)}
    )
    tokens = encode(TOKENIZER, spanned, ["span:city"]).positions["span:city"].tolist()
    add = Intervention("add", "mlp_out", 0, 1.0, "span:city", vector(scale=9.0))
    got = answers(model, [*RECORDS[:2], spanned], interventions=[add])
    expected = hooked_greedy(
        model, spanned, 0, add.vector, lambda _p, _n: tokens
    )  # what is added at mlp_out is in resid
    assert [list(g.ids) for g in got] == [*(hf_greedy(model, r) for r in RECORDS[:2]), expected]
    assert expected != hf_greedy(model, spanned)
    with pytest.raises(AssayError, match="no record has the tokens 'span:city'"):
        answers(model, RECORDS, interventions=[add])


def test_hooks_are_gone_when_generation_is_left_early() -> None:
    model = model_of("llama")
    stream = generate(
        model,
        TOKENIZER,
        RECORDS,
        max_new_tokens=2,
        interventions=[Intervention("add", "resid", 1, 1.0, "all", vector())],
        token_budget=1,
    )
    ids = torch.tensor([[5, 9, 12]])
    plain = model(ids).logits
    next(iter(stream))
    assert torch.equal(model(ids).logits, plain)  # between answers the model is its own
    stream.close()
    assert not any(module._forward_hooks for module in model.modules())


def test_bad_requests_are_refused() -> None:
    model = model_of("llama")
    with pytest.raises(AssayError, match="max_new_tokens"):
        generate(model, TOKENIZER, RECORDS, max_new_tokens=0)
    long = PromptRecord(id="long", text="the cat sat " * 40)
    with pytest.raises(AssayError, match=r"'long' has .* exceeds the model's 64"):
        generate(model, TOKENIZER, [long], max_new_tokens=4)
    with pytest.raises(AssayError, match="blocks 0 to 2"):
        answers(model, interventions=[Intervention("add", "resid", 7, 1.0, "all", vector())])
