"""Decoding one batch: a cached forward pass for each token, interventions row by row, greedy or sampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from assay.errors import AssayError
from assay.forward.batching import pad
from assay.interventions.interventions import Intervention
from assay.interventions.writing import Row, Writer
from assay.models.architecture import Architecture
from assay.models.devices import input_device
from assay.prompts.positions import Layout
from assay.statistics.draws import item_draws


@dataclass(frozen=True)
class Prompt:
    """An encoded prompt: `ids` int64 (n_tokens,), unpadded, without a response."""

    id: str
    ids: np.ndarray
    layout: Layout


@dataclass(frozen=True)
class Job:
    """One answer to make: a prompt and the interventions on its row."""

    prompt: Prompt
    config: str
    interventions: tuple[Intervention, ...]


@dataclass
class PartialAnswer:
    """The answer of one row so far, and its random numbers."""

    ids: list[int]
    random: np.random.Generator
    stopped: bool = False


class Decoder:
    """Runs one batch of jobs to its end."""

    def __init__(
        self,
        model: Any,
        architecture: Architecture,
        stop: frozenset[int],
        max_new_tokens: int,
        temperature: float,
        seed: int,
    ):
        self.model = model
        self.architecture = architecture
        self.stop = stop
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.seed = seed
        self.device = input_device(architecture)

    def run(self, writer: Writer, jobs: Sequence[Job]) -> list[PartialAnswer]:
        """The answers to `jobs`, in order; `writer` is then aimed at nothing."""
        try:
            return self._run(writer, jobs)
        finally:
            writer.aim((), 0)

    @torch.inference_mode()
    def _run(self, writer: Writer, jobs: Sequence[Job]) -> list[PartialAnswer]:
        """Padding is on the left; rows that are done leave the batch."""
        answers = [PartialAnswer([], item_draws(self.seed, job.prompt.id)) for job in jobs]
        batch = pad([job.prompt.ids for job in jobs], pad_id=0, side="left").to(self.device)
        width = batch.ids.shape[1]
        starts = torch.from_numpy(np.asarray(batch.starts, dtype=np.int64)).to(self.device)
        cache = DynamicCache(config=self.model.config.get_text_config())
        mask, positions = batch.mask, batch.position_ids
        ids, active, begin = batch.ids, list(range(len(jobs))), 0
        while True:
            writer.aim([self._row(jobs[row], begin - int(batch.starts[row])) for row in active], ids.shape[1])
            logits = self._forward(ids, mask, positions, cache)
            begin += ids.shape[1]
            tokens = self._choose(logits, [answers[row] for row in active])
            for row, token in zip(active, tokens, strict=True):
                answers[row].stopped = token in self.stop
                if not answers[row].stopped:
                    answers[row].ids.append(token)
            kept = [place for place, row in enumerate(active) if not answers[row].stopped]
            if not kept or begin - width + 1 >= self.max_new_tokens:
                return answers
            if len(kept) < len(active):
                index = torch.tensor(kept, device=self.device)
                cache.batch_select_indices(index)
                mask, starts = None if mask is None else mask[index], starts[index]
                active, tokens = [active[place] for place in kept], [tokens[place] for place in kept]
            ids = torch.tensor(tokens, device=self.device)[:, None]
            if mask is not None:
                mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = (begin - starts)[:, None]

    def _row(self, job: Job, first: int) -> Row:
        return Row(job.prompt.layout, job.interventions, first, length=self.architecture.sizes.context_length)

    def _forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None,
        positions: torch.Tensor | None,
        cache: DynamicCache,
    ) -> torch.Tensor:
        """Logits [batch, vocab] of the token after the last one."""
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _choose(self, logits: torch.Tensor, answers: Sequence[PartialAnswer]) -> list[int]:
        """The next token of each row: the likeliest, or where its next random number falls in the distribution."""
        if not (logits < torch.inf).all():  # NaN fails it too; −inf rules a token out
            raise AssayError(
                "the logits are NaN or infinite; load the model in bfloat16 or float32, or intervene less"
            )
        if self.temperature == 0:
            chosen: list[int] = logits.argmax(dim=1).tolist()
            return chosen
        cumulated = (logits.double() / self.temperature).softmax(dim=1).cumsum(dim=1)
        draws = torch.tensor(
            [answer.random.random() for answer in answers], dtype=torch.float64, device=logits.device
        )
        found = torch.searchsorted(cumulated, (draws * cumulated[:, -1])[:, None], right=True)
        drawn: list[int] = found[:, 0].clamp(max=logits.shape[1] - 1).tolist()
        return drawn
