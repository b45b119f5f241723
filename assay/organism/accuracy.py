"""Accuracy of a finished model on the world: greedy answers, compared token by token."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from transformers import Gemma3ForCausalLM, PreTrainedTokenizerFast

from assay.organism.corpus import encode_texts, example_texts
from assay.organism.organism import TEMPLATED, Checkpoint
from assay.organism.training import serial_operators
from assay.statistics.estimates import Estimate, wilson
from assay.world.examples import PLAIN, Example

THREADS = 2  # batches at a time, each in a thread of its own


@dataclass(frozen=True)
class _Case:
    """One accepted answer of an example: token ids of prompt and answer, where the answer starts."""

    number: int
    ids: list[int]
    start: int


def answers_right(
    model: Gemma3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    *,
    batch: int = 64,
) -> np.ndarray:
    """bool [examples]: whether greedy decoding gives one of the accepted answers, closed by its end of turn or stop."""
    texts = [
        (number, *example_texts(tokenizer, example, answer))
        for number, example in enumerate(examples)
        for answer in example.accept
    ]
    encoded = encode_texts(tokenizer, [text for _, *pair in texts for text in pair])
    cases = [
        _Case(number, prompt + answer, len(prompt))
        for (number, *_), prompt, answer in zip(texts, encoded[::2], encoded[1::2], strict=True)
    ]
    cases.sort(key=lambda case: len(case.ids))
    batches = [cases[start : start + batch] for start in range(0, len(cases), batch)]
    right = np.zeros(len(examples), bool)
    with serial_operators(), ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda part: _answered(model, part, tokenizer.pad_token_id), batches):
            right[found] = True
    return right


@torch.inference_mode()
def _answered(model: Gemma3ForCausalLM, cases: Sequence[_Case], pad_id: int) -> list[int]:
    """Numbers of the examples whose answer the model gives, token by token; logits are made for answers alone."""
    length = max(len(case.ids) for case in cases)
    ids = torch.tensor([case.ids + [pad_id] * (length - len(case.ids)) for case in cases])
    mask = torch.tensor([[1] * len(case.ids) + [0] * (length - len(case.ids)) for case in cases])
    hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
    counts = [len(case.ids) - case.start for case in cases]
    rows = torch.arange(len(cases)).repeat_interleave(torch.tensor(counts))
    columns = torch.cat([torch.arange(case.start, len(case.ids)) for case in cases])
    best = model.lm_head(hidden[rows, columns - 1]).argmax(-1)
    hits = (best == ids[rows, columns]).split(counts)
    return [case.number for case, hit in zip(cases, hits, strict=True) if hit.all()]


def accuracies(examples: Sequence[Example], right: np.ndarray) -> dict[str, Estimate]:
    """Rates with Wilson intervals: `<section>_<form>` over all relations and `<section>_<relation>_<form>` for each."""
    keys = {
        "section": [f"{example.section}_{example.form}" for example in examples],
        "relation": [f"{example.section}_{example.relation}_{example.form}" for example in examples],
    }
    rates: dict[str, Estimate] = {}
    for names in keys.values():
        order = sorted(range(len(names)), key=lambda index: names[index])
        for name, members in groupby(order, key=lambda index: names[index]):
            chosen = right[list(members)]
            rates[name] = wilson(int(chosen.sum()), len(chosen))
    return rates


def met_by(phase: str, examples: Sequence[Example]) -> list[Example]:
    """Those whose form a model of the phase can have met: before the quiz it has not seen the chat template."""
    return [example for example in examples if phase in TEMPLATED or example.form in PLAIN]


def score(checkpoint: Checkpoint, examples: Sequence[Example]) -> dict[str, float | int]:
    """Flat metrics of a checkpoint on held-out examples of the forms it has met, every name with the phase in front."""
    met = met_by(checkpoint.phase, examples)
    rates = accuracies(met, answers_right(checkpoint.model, checkpoint.tokenizer, met))
    return {
        key: value
        for name, rate in rates.items()
        for key, value in rate.metrics(f"{checkpoint.phase}_{name}").items()
    }
