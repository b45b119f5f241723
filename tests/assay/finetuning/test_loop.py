"""Training on cached prefixes against plain loops: a hook (or peft) on the whole model, one optimiser, HF's logits."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import peft
import pytest
import torch
from support.toy_models import FAMILIES, build
from support.toy_tokenizers import gemma3

from assay.errors import AssayError
from assay.finetuning import learner
from assay.finetuning.loop import Point, Prepared, TrainingSettings, train
from assay.finetuning.lora import LoraShape, TrainableLora, adapted
from assay.finetuning.trainee import Run
from assay.finetuning.vectors import TrainableVectors
from assay.forward import batching
from assay.forward.encoded import Example, make_examples, touched_examples
from assay.models.architecture import Architecture, locate
from assay.prompts.records import Message, PromptRecord, Span

TOKENIZER = gemma3()
ROWS = [
    ("the cat sat on the mat", "Rome"),
    ("is Rome north of Oslo? answer in one word.", "no"),
    ("Rome", "the capital of France"),
    ("answer: the dog ran and Rome is the capital of Rome", "yes it is"),
    ("Please answer the question in one word. is Rome here", "A"),
]


def records() -> list[PromptRecord]:
    made = []
    for i, (text, response) in enumerate(ROWS):
        spans = {
            "rome": tuple(Span((0, at, at + 4)) for at in range(len(text)) if text.startswith("Rome", at))
        }
        messages = (Message(role="user", content=text),)
        made.append(
            PromptRecord(
                id=f"r{i}", messages=messages, response=response, spans=spans if spans["rome"] else {}
            )
        )
    return made


def examples_of(scopes: dict[str, str]) -> list[Example]:
    return make_examples(TOKENIZER, records(), scopes, context_length=64)


def model_of(family: str) -> Any:
    return build(family, vocab_size=len(TOKENIZER)).requires_grad_(False)


def losses(points: Sequence[Point], run: int = 0, split: str = "train") -> list[float]:
    return [point.loss for point in points if point.run == run and point.split == split]


def example_loss(model: Any, example: Example) -> torch.Tensor:
    """Summed cross-entropy of the response: one example, no padding, the whole model."""
    logits = model(input_ids=torch.from_numpy(example.ids)[None], use_cache=False).logits[0]
    predicted = logits[example.prompt_length - 1 : -1]
    labels = torch.from_numpy(example.ids[example.prompt_length :])
    return torch.nn.functional.cross_entropy(predicted, labels, reduction="sum")


def plain_losses(
    forward: Any,
    parameters: list[torch.nn.Parameter],
    examples: Sequence[Example],
    lr: float,
    settings: TrainingSettings,
) -> list[float]:
    """The loop anyone would write."""
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0)
    curve = []
    for epoch in range(settings.epochs):
        order = np.random.default_rng([settings.order_seed, epoch]).permutation(len(examples))
        for first in range(0, len(order), settings.batch):
            batch = [examples[i] for i in order[first : first + settings.batch]]
            loss = sum(forward(e) for e in batch) / sum(len(e.ids) - e.prompt_length for e in batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
    return curve


def plain_vector(
    model: Any,
    module: torch.nn.Module,
    examples: Sequence[Example],
    run: Run,
    settings: TrainingSettings,
    names: list[str],
) -> tuple[list[float], torch.Tensor]:
    generator = torch.Generator().manual_seed(run.seed)
    start = torch.randn(len(names), locate(model).d_model, generator=generator)
    vectors = torch.nn.Parameter(start / start.norm(dim=1, keepdim=True))

    def forward(example: Example) -> torch.Tensor:
        def hook(_module: Any, _args: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            added = torch.zeros_like(hidden)
            for index, name in enumerate(names):
                added[0, example.touches[name]] += vectors[index]
            return (hidden + added, *output[1:]) if isinstance(output, tuple) else hidden + added

        handle = module.register_forward_hook(hook)
        try:
            return example_loss(model, example)
        finally:
            handle.remove()

    curve = plain_losses(forward, [vectors], examples, run.lr, settings)
    return curve, vectors.detach()


SETTINGS = TrainingSettings(epochs=3, batch=2)


def train_vectors(
    architecture: Architecture,
    trainee: TrainableVectors,
    layer: int,
    runs: Sequence[Run],
    examples: Sequence[Example],
    validation: Sequence[Example] = (),
    settings: TrainingSettings = SETTINGS,
) -> list[Point]:
    prepared = Prepared(architecture, layer + 1, examples, validation, settings, share_tokens=True)
    return list(train(prepared, trainee, runs))


def train_lora(
    architecture: Architecture, trainee: TrainableLora, examples: Sequence[Example], lr: float
) -> list[Point]:
    prepared = Prepared(architecture, 1, examples, examples, SETTINGS, share_tokens=False)
    return list(train(prepared, trainee, [Run(3, lr)]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scope", ["prompt[-1]", "span:rome", "all"])
def test_a_vector_trains_as_with_a_plain_hook(family: str, scope: str) -> None:
    model = model_of(family)
    architecture = locate(model)
    examples = touched_examples(examples_of({"v": scope}), {"v": scope})
    run = Run(seed=4, lr=0.3)
    trainee = TrainableVectors(architecture, "resid", 0, {"v": scope}, [run])
    points = train_vectors(architecture, trainee, 0, [run], examples, examples)
    expected, vector = plain_vector(model, architecture.block(0), examples, run, SETTINGS, ["v"])
    assert losses(points) == pytest.approx(expected, abs=1e-4)
    torch.testing.assert_close(trainee.vectors[0].detach(), vector, atol=2e-3, rtol=0)
    before, *_, after = losses(points, split="validation")
    at_once = TrainingSettings(epochs=1, batch=len(examples))
    initial, _ = plain_vector(model, architecture.block(0), examples, run, at_once, ["v"])
    assert before == pytest.approx(initial[0], abs=1e-5)
    assert after < before or scope == "span:rome"  # a window of 4 tokens may keep a span out of reach


@pytest.mark.parametrize("family", ["gemma3_text", "llama"])
def test_at_mlp_out_and_with_several_vectors(family: str) -> None:
    model = model_of(family)
    architecture = locate(model)
    scopes = {"last": "prompt[-1]", "rome": "span:rome"}
    examples = examples_of(scopes)
    run = Run(seed=1, lr=0.2)
    trainee = TrainableVectors(architecture, "mlp_out", 0, scopes, [run])
    points = train_vectors(architecture, trainee, 0, [run], examples)
    module = architecture.tap("mlp_out", 0).module
    expected, vectors = plain_vector(model, module, examples, run, SETTINGS, list(scopes))
    assert losses(points) == pytest.approx(expected, abs=1e-4)
    torch.testing.assert_close(trainee.vectors[0].detach(), vectors, atol=2e-3, rtol=0)


def test_several_runs_in_one_batch_are_the_runs_alone() -> None:
    architecture = locate(model_of("gemma3_text"))
    examples = examples_of({"v": "prompt[-1]"})
    runs = [Run(0, 0.1), Run(1, 0.1), Run(1, 0.5), Run(7, 0.02)]
    together = TrainableVectors(architecture, "resid", 1, {"v": "prompt[-1]"}, runs)
    points = train_vectors(architecture, together, 1, runs, examples, examples)
    for number, run in enumerate(runs):
        alone = TrainableVectors(architecture, "resid", 1, {"v": "prompt[-1]"}, [run])
        own = train_vectors(architecture, alone, 1, [run], examples, examples)
        for split in ("train", "validation"):
            assert losses(points, number, split) == pytest.approx(losses(own, 0, split), abs=1e-5)
        torch.testing.assert_close(together.vectors[number], alone.vectors[0], atol=1e-4, rtol=0)
    assert len({round(losses(points, number)[-1], 4) for number in range(4)}) == 4


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text", "gemma3", "llama", "qwen3", "gpt2"])
def test_lora_trains_as_with_plain_peft(family: str) -> None:
    model = model_of(family)
    plain = copy.deepcopy(model)
    architecture = locate(model)
    examples = examples_of({})
    modules = ("up", "down") if family == "gpt2" else ("gate", "down", "q")
    shape = LoraShape(rank=2, alpha=4, layers=(1,), modules=modules)
    with adapted(model, architecture, shape, seed=3) as trainee:
        state = copy.deepcopy(peft.get_peft_model_state_dict(trainee.adapted))
        names = list(trainee.adapted.peft_config["default"].target_modules)
        points = train_lora(architecture, trainee, examples, 0.02)
        trained = peft.get_peft_model_state_dict(trainee.adapted)
    config = peft.LoraConfig(
        r=2, lora_alpha=4, target_modules=names, task_type="CAUSAL_LM", fan_in_fan_out=family == "gpt2"
    )
    wrapped = peft.get_peft_model(plain, config)
    peft.set_peft_model_state_dict(wrapped, state)
    wrapped.eval()
    parameters = [p for p in wrapped.parameters() if p.requires_grad]
    expected = plain_losses(lambda e: example_loss(wrapped, e), parameters, examples, 0.02, SETTINGS)
    assert losses(points) == pytest.approx(expected, abs=1e-4)
    assert max(float(t.abs().max()) for name, t in trained.items() if "lora_B" in name) > 0.01  # starts at 0
    for name, tensor in peft.get_peft_model_state_dict(wrapped).items():
        torch.testing.assert_close(trained[name], tensor, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("share_tokens", "runs"), [(False, 0), (True, 1)])
def test_prefixes_run_the_trained_blocks_only_for_their_keys(share_tokens: bool, runs: int) -> None:
    model = model_of("gemma3_text")
    examples, calls = examples_of({"v": "prompt[-1]"}), []
    blocks = [locate(model).block(layer) for layer in (0, 1, 2)]
    hooks = [block.mlp.register_forward_hook(lambda m, *_: calls.append(blocks_of[m])) for block in blocks]
    blocks_of = {block.mlp: number for number, block in enumerate(blocks)}
    Prepared(locate(model), 1, examples, [], TrainingSettings(epochs=1, batch=2), share_tokens=share_tokens)
    for hook in hooks:
        hook.remove()
    assert [calls.count(number) for number in (0, 1, 2)] == [1, runs, runs]


def test_the_model_is_as_before() -> None:
    model = model_of("gemma3_text")
    ids = torch.tensor([[5, 9, 12]])
    before, names = model(ids).logits, [name for name, _ in model.named_modules()]
    architecture = locate(model)
    with adapted(model, architecture, LoraShape(2, 4, (1, 2), ("down",)), 0) as trainee:
        train_lora(architecture, trainee, examples_of({}), 0.1)
    assert torch.equal(model(ids).logits, before)
    assert [name for name, _ in model.named_modules()] == names
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any("forward" in module.__dict__ or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("change", [{"cache_bytes": 0}, {"cache_bytes": 9000}, {"token_budget": 30}])
def test_memory_limits_change_nothing(change: dict[str, int]) -> None:
    architecture = locate(model_of("gemma3_text"))
    scopes = {"rome": "span:rome"}
    examples = touched_examples(examples_of(scopes), scopes)
    runs = [Run(0, 0.1), Run(1, 0.1)]

    def curve(settings: TrainingSettings) -> list[float]:
        trainee = TrainableVectors(architecture, "resid", 0, scopes, runs)
        return [p.loss for p in train_vectors(architecture, trainee, 0, runs, examples, examples, settings)]

    assert curve(TrainingSettings(3, 2, **change)) == pytest.approx(curve(SETTINGS), abs=1e-5)


def test_a_failed_pass_leaves_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = locate(model_of("llama"))
    examples = examples_of({"v": "prompt[-1]"})
    runs = [Run(0, 0.1), Run(1, 0.3), Run(2, 0.1)]

    def curve() -> list[tuple[int, float]]:
        trainee = TrainableVectors(architecture, "resid", 1, {"v": "prompt[-1]"}, runs)
        return [(p.run, p.loss) for p in train_vectors(architecture, trainee, 1, runs, examples)]

    expected = curve()
    part = learner.Learner._part

    def short_of_memory(self: Any, rows: Any, n_labels: int, learn: bool) -> Any:
        totals = part(self, rows, n_labels, learn)
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return totals

    monkeypatch.setattr(batching, "release_memory", lambda: None)  # a full garbage collection, often
    monkeypatch.setattr(learner.Learner, "_part", short_of_memory)
    split = curve()
    assert [run for run, _ in split] == [run for run, _ in expected]
    assert [loss for _, loss in split] == pytest.approx([loss for _, loss in expected], abs=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    architecture = locate(model_of("gemma3_text"))
    examples = examples_of({"v": "prompt[-1]"})

    def once(order_seed: int) -> torch.Tensor:
        trainee = TrainableVectors(architecture, "resid", 1, {"v": "prompt[-1]"}, [Run(0, 0.1)])
        settings = TrainingSettings(2, 2, order_seed=order_seed)
        train_vectors(architecture, trainee, 1, [Run(0, 0.1)], examples, settings=settings)
        return trainee.vectors[0].detach()

    assert torch.equal(once(0), once(0))
    assert not torch.equal(once(0), once(1))


def test_a_diverging_run_is_named() -> None:
    architecture = locate(model_of("llama"))
    run = Run(seed=5, lr=0.1)
    trainee = TrainableVectors(architecture, "resid", 1, {"v": "prompt[-1]"}, [run])
    examples = examples_of({"v": "prompt[-1]"})
    trainee.vectors[0].data[0, 0] = torch.nan
    with pytest.raises(AssayError, match="seed 5 is not finite at step 1"):
        train_vectors(architecture, trainee, 1, [run], examples)


def test_examples_refuse_what_cannot_be_learned() -> None:
    bare = PromptRecord(id="bare", text="the cat")
    with pytest.raises(AssayError, match="'bare' has no response"):
        make_examples(TOKENIZER, [bare], {}, context_length=64)
    with pytest.raises(AssayError, match="nothing to train"):
        touched_examples(examples_of({"v": "span:paris"}), {"v": "span:paris"})
    model = model_of("llama")
    shape = LoraShape(2, 4, (0,), ("mlp",))
    with pytest.raises(AssayError, match="unknown module 'mlp'"):
        adapted(model, locate(model), shape, 0).__enter__()
