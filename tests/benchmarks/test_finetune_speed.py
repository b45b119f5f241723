"""Fine-tuning at mid depth: a step on cached prefixes against a plain hook or PEFT loop, and many seeds against one."""

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import peft
import pytest
import torch
from benchmarks.conftest import Report
from benchmarks.timing import interleave
from benchmarks.workload import Workload

from assay.finetuning.loop import Prepared, TrainingSettings, train
from assay.finetuning.lora import LoraShape, adapted
from assay.finetuning.trainee import Run
from assay.finetuning.vectors import TrainableVectors
from assay.forward.encoded import Example, make_examples
from assay.models.architecture import locate
from assay.prompts.records import PromptRecord, Span

LAYER = 5  # of 12: six blocks stay below the trained one's output
RECORDS, LONGEST, SEEDS, REPEATS = 8, 220, 8, 3
SETTINGS = TrainingSettings(epochs=1, batch=4)
SCOPES = {"the last prompt token": "prompt[-1]", "a name in the middle": "span:name"}

pytestmark = pytest.mark.timeout(1800)


def make(workload: Workload, scope: str | None) -> list[Example]:
    """Questions of 40 to 60 tokens with a one-letter answer."""
    texts = [text for record in workload.records if len(text := record.text or "") >= LONGEST][:RECORDS]
    records = [
        PromptRecord(id=str(i), text=text[:LONGEST], response="A", spans={"name": (Span((0, 100, 110)),)})
        for i, text in enumerate(texts)
    ]
    scopes = {} if scope is None else {"v": scope}
    return make_examples(workload.loaded.tokenizer, records, scopes, context_length=512)


def plain(
    model: Any,
    examples: Sequence[Example],
    parameters: list[torch.nn.Parameter],
    lr: float,
    *,
    hook: Callable[[torch.Tensor, Sequence[Example], np.ndarray], torch.Tensor] | None = None,
    few_logits: bool = False,
) -> list[float]:
    """One epoch of the loop anyone would write: left padding with a mask, Hugging Face's logits, a hook on the block."""
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0)
    order = np.random.default_rng([0, 0]).permutation(len(examples))
    losses = []
    for first in range(0, len(order), SETTINGS.batch):
        batch = [examples[i] for i in order[first : first + SETTINGS.batch]]
        width = max(example.n_inputs for example in batch)
        starts = np.array([width - example.n_inputs for example in batch])
        ids = torch.stack(
            [
                torch.nn.functional.pad(torch.from_numpy(e.ids[:-1]), (int(s), 0))
                for e, s in zip(batch, starts, strict=True)
            ]
        )
        mask = (torch.arange(width)[None, :] >= torch.from_numpy(starts)[:, None]).long()
        handle = None
        if hook is not None:
            handle = (
                locate(model)
                .block(LAYER)
                .register_forward_hook(lambda _m, _a, out, b=batch, s=starts: hook(out, b, s))
            )
        kept = {"logits_to_keep": 1} if few_logits else {}
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **kept).logits
        labels = torch.tensor([int(example.labels[0]) for example in batch])
        loss = torch.nn.functional.cross_entropy(logits[:, -1].float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if handle is not None:
            handle.remove()
        losses.append(loss.item())
    return losses


def vectors(workload: Workload, prepared: Prepared, scope: str, n_runs: int) -> list[float]:
    """One epoch; the losses of the first run."""
    runs = [Run(seed, 0.1) for seed in range(n_runs)]
    trainee = TrainableVectors(workload.loaded.architecture, "resid", LAYER, {"v": scope}, runs)
    return [point.loss for point in train(prepared, trainee, runs) if point.run == 0]


@pytest.mark.parametrize("name", SCOPES)
def test_vectors(workload: Workload, report: Report, name: str) -> None:
    scope, architecture = SCOPES[name], workload.loaded.architecture
    examples = make(workload, scope)

    def hooked(few_logits: bool) -> list[float]:
        start = torch.randn(1, architecture.d_model, generator=torch.Generator().manual_seed(0))
        vector = torch.nn.Parameter(torch.nn.functional.normalize(start, dim=1))

        def hook(output: torch.Tensor, batch: Sequence[Example], starts: np.ndarray) -> torch.Tensor:
            added = torch.zeros_like(output)
            for row, example in enumerate(batch):
                added[row, example.touches["v"] + starts[row]] = vector[0]
            return output + added

        return plain(workload.loaded.model, examples, [vector], 0.1, hook=hook, few_logits=few_logits)

    began = time.perf_counter()
    prepared = Prepared(architecture, LAYER + 1, examples, [], SETTINGS, share_tokens=True)
    capture = time.perf_counter() - began
    losses, expected = vectors(workload, prepared, scope, 1), hooked(False)
    assert losses == pytest.approx(expected, abs=1e-4)
    seconds = interleave(
        {
            "one": lambda: vectors(workload, prepared, scope, 1),
            "many": lambda: vectors(workload, prepared, scope, SEEDS),
            "hooked": lambda: hooked(False),
            "lean": lambda: hooked(True),
        },
        REPEATS,
    )
    one, far = seconds["one"], np.abs(np.subtract(losses, expected)).max()
    detail = f"{1e3 * one / len(losses):.0f} ms a step; losses within {far:.0e}; capture {capture:.1f} s"
    report.add(f"vector at {name} / plain hook loop", seconds["hooked"] / one, "speed ratio", 1.8, detail)
    report.add("the same, hook loop with the last token's logits", seconds["lean"] / one, "speed ratio")
    report.add(
        "the same, plain hook loop, 3 epochs and the capture",
        3 * seconds["hooked"] / (3 * one + capture),
        "speed ratio",
    )
    share = seconds["many"] / (SEEDS * one)
    report.add(f"{SEEDS} seeds at {name} / {SEEDS} × one", share, "growth", 0.5)


def test_lora(workload: Workload, report: Report) -> None:
    examples, architecture = make(workload, None), workload.loaded.architecture
    shape = LoraShape(rank=8, alpha=8, layers=(LAYER + 1,), modules=("gate", "up", "down"))
    prepared = Prepared(architecture, LAYER + 1, examples, [], SETTINGS, share_tokens=False)
    with adapted(workload.loaded.model, architecture, shape, 0) as lora:
        state = copy.deepcopy(peft.get_peft_model_state_dict(lora.adapted))

        def reset() -> list[torch.nn.Parameter]:
            peft.set_peft_model_state_dict(lora.adapted, state)
            return lora.parameters(0)

        def ours() -> list[float]:
            reset()
            return [point.loss for point in train(prepared, lora, [Run(0, 1e-3)])]

        losses, expected = ours(), plain(lora.adapted, examples, reset(), 1e-3)
        assert losses == pytest.approx(expected, abs=1e-4)
        seconds = interleave(
            {
                "ours": ours,
                "plain": lambda: plain(lora.adapted, examples, reset(), 1e-3),
                "lean": lambda: plain(lora.adapted, examples, reset(), 1e-3, few_logits=True),
            },
            REPEATS,
        )
    far = np.abs(np.subtract(losses, expected)).max()
    detail = f"{1e3 * seconds['ours'] / len(losses):.0f} ms a step; losses within {far:.0e}"
    report.add("LoRA / plain PEFT loop", seconds["plain"] / seconds["ours"], "speed ratio", 1.8, detail)
    report.add(
        "the same, PEFT loop with the last token's logits", seconds["lean"] / seconds["ours"], "speed ratio"
    )
