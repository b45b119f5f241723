"""Batched generation: prompt records in, token ids and text out; each record draws from a generator of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from assay.batching import Halver, pad, plan_batches
from assay.draws import draw_index, item_draws, softmax
from assay.errors import AssayError
from assay.records import PromptRecord
from assay.tokenization import encode

Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Generation:
    """What a model said to the prompt `id`: token ids without the stop token, their text, and why it ended."""

    id: str
    token_ids: tuple[int, ...]
    text: str
    finish: Finish


def generate(
    model: Any,
    tokenizer: Any,
    records: Sequence[PromptRecord],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    token_budget: int = 2048,
) -> Iterator[Generation]:
    """Generate an answer to every record, longest prompts first.

    `temperature` 0 takes the most probable token. Else a record's tokens are drawn with a generator keyed by `seed` and
    its id, so they do not depend on the other records of its batch (up to float rounding of the matrix products).
    `token_budget` bounds the padded tokens of a batch, answers included. Raises AssayError, naming the record, for logits
    that are NaN or infinite and for a prompt that leaves the model's context no room.
    """
    check_sampling(max_new_tokens, temperature)
    ids = [encode(tokenizer, record).ids for record in records]
    check_room([record.id for record in records], ids, max_new_tokens, context_length(model))
    lengths = [len(prompt) + max_new_tokens for prompt in ids]
    names = [record.id for record in records]
    halver = Halver(lengths, names)
    sampler = _Sampler(model, tokenizer, max_new_tokens, temperature, seed)
    for batch in plan_batches(lengths, token_budget):
        for _, generations in halver.run(
            batch, lambda part: sampler.run([names[i] for i in part], [ids[i] for i in part])
        ):
            yield from generations


def check_sampling(max_new_tokens: int, temperature: float) -> None:
    """Raises AssayError for a limit below one token and a temperature below zero."""
    if max_new_tokens < 1:
        raise AssayError(f"max_new_tokens must be at least 1, found {max_new_tokens}")
    if not 0 <= temperature < float("inf"):
        raise AssayError(f"the temperature must be 0 or more, found {temperature}")


def check_room(names: Sequence[str], ids: Sequence[np.ndarray], extra: int, limit: int) -> None:
    """Raises AssayError for a prompt that does not leave room for `extra` tokens in a context of `limit`."""
    for name, prompt in zip(names, ids, strict=True):
        if len(prompt) + extra > limit:
            raise AssayError(
                f"record {name!r} has {len(prompt)} tokens and {extra} are to follow, but the model reads at most {limit}; "
                "cut it shorter"
            )


def context_length(model: Any) -> int:
    """Tokens that a model reads at most."""
    return int(model.config.get_text_config().max_position_embeddings)


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer: the model's own list, else the tokenizer's."""
    config = getattr(model, "generation_config", None)
    found = None if config is None else config.eos_token_id
    found = tokenizer.eos_token_id if found is None else found
    return frozenset([] if found is None else [found] if isinstance(found, int) else found)


@dataclass(frozen=True)
class _Sampler:
    model: Any
    tokenizer: Any
    max_new_tokens: int
    temperature: float
    seed: int

    def run(self, names: Sequence[str], prompts: Sequence[np.ndarray]) -> list[Generation]:
        """One batch, from prompts (each int64 [n_tokens]) padded on the left to the end of all answers."""
        stops = stop_ids(self.model, self.tokenizer)
        draws = [item_draws(self.seed, name) for name in names]
        answers: list[list[int]] = [[] for _ in names]
        finished: list[Finish | None] = [None] * len(names)
        for logits in self._steps(prompts, answers):
            check_finite(logits, names)
            for row, answer in enumerate(answers):
                token = _choose(logits[row], self.temperature, draws[row])
                if finished[row] is None and token in stops:
                    finished[row] = "stop"
                answer.append(token)
            if all(finished):
                break
        return [
            self._generation(name, answer, finish, stops)
            for name, answer, finish in zip(names, answers, finished, strict=True)
        ]

    def _steps(self, prompts: Sequence[np.ndarray], answers: list[list[int]]) -> Iterator[np.ndarray]:
        """Yield the logits [batch, vocab] of each next token; the caller appends the token to every answer."""
        device = self.model.get_input_embeddings().weight.device
        batch = pad(prompts, pad_id=0, side="left").to(device)
        ids, position_ids = batch.ids, batch.position_ids
        mask = torch.ones_like(ids) if batch.mask is None else batch.mask
        if position_ids is None:
            position_ids = torch.arange(ids.shape[1], device=device).expand_as(ids)
        cache = None
        for step in range(self.max_new_tokens):
            with torch.inference_mode():
                output = self.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=position_ids,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
            yield output.logits[:, -1].float().cpu().numpy()
            cache = output.past_key_values
            ids = torch.tensor([[answer[step]] for answer in answers], device=device)
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            position_ids = position_ids[:, -1:] + 1

    def _generation(
        self, name: str, answer: list[int], finish: Finish | None, stops: frozenset[int]
    ) -> Generation:
        end = next((at for at, token in enumerate(answer) if token in stops), len(answer))
        text = self.tokenizer.decode(answer[:end], skip_special_tokens=True)
        return Generation(name, tuple(answer[:end]), text, finish or "length")


def check_finite(logits: np.ndarray, names: Sequence[str]) -> None:
    """Raises AssayError that names the record of the first row of `logits` [batch, …] which is not finite."""
    wrong = ~np.isfinite(logits).all(axis=1)
    if wrong.any():
        raise AssayError(
            f"record {names[int(wrong.argmax())]!r}: the model's logits are NaN or infinite; load it in bfloat16 or float32"
        )


def _choose(logits: np.ndarray, temperature: float, draws: np.random.Generator) -> int:
    """A token id from logits [vocab]; the most probable one needs no draw."""
    return int(logits.argmax()) if temperature == 0 else draw_index(softmax(logits, temperature), draws)
