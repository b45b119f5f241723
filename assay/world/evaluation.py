"""Accuracy of a finished model on the world: greedy answers, compared token by token."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from transformers import Gemma3ForCausalLM, PreTrainedTokenizerFast

from assay.estimates import Estimate, wilson
from assay.world.corpus import example_texts
from assay.world.examples import Example
from assay.world.organism import Checkpoint


@torch.inference_mode()
def answers_right(
    model: Gemma3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    *,
    batch: int = 64,
) -> np.ndarray:
    """bool [examples]: whether greedy decoding gives one of the accepted answers, closed by its end of turn or stop."""
    cases = []
    for number, example in enumerate(examples):
        for answer in example.accept:
            texts = example_texts(tokenizer, example, answer)
            prompt, reply = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts)
            cases.append((number, prompt + reply, len(prompt)))
    cases.sort(key=lambda case: len(case[1]))
    right = np.zeros(len(examples), bool)
    for start in range(0, len(cases), batch):
        part = cases[start : start + batch]
        length = max(len(ids) for _, ids, _ in part)
        ids = torch.tensor([ids + [tokenizer.pad_token_id] * (length - len(ids)) for _, ids, _ in part])
        mask = torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for _, ids, _ in part])
        best = model(input_ids=ids, attention_mask=mask).logits[:, :-1].argmax(-1)
        for row, (number, own, prompt_length) in enumerate(part):
            right[number] |= bool(
                (best[row, prompt_length - 1 : len(own) - 1] == ids[row, prompt_length : len(own)]).all()
            )
    return right


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


def score(checkpoint: Checkpoint, examples: Sequence[Example]) -> dict[str, float | int]:
    """Flat metrics of a checkpoint on held-out examples, every name with the phase in front."""
    rates = accuracies(examples, answers_right(checkpoint.model, checkpoint.tokenizer, examples))
    return {
        key: value
        for name, rate in rates.items()
        for key, value in rate.metrics(f"{checkpoint.phase}_{name}").items()
    }
