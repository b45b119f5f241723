"""Generation: batched, cached, greedy or sampled, under interventions that each row may have of its own."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from transformers import DynamicCache

from assay.architecture import Architecture, locate
from assay.batching import Halver, pad, plan_batches
from assay.draws import item_draws
from assay.errors import AssayError
from assay.interventions import Intervention
from assay.reading import input_device
from assay.records import PromptRecord
from assay.scopes import Anatomy, parse_scope
from assay.tokenization import encode
from assay.writing import Row, Writer

FinishReason = Literal["stop", "length"]
PLAIN = "plain"  # the config id of generation without interventions


@dataclass(frozen=True)
class Generation:
    """What a model answered to one prompt under one config of interventions.

    `ids` are the generated tokens without the one that stopped it; `text` is their text without control tokens.
    `finish_reason` is "length" where `max_new_tokens` ended it. `seed` is None for greedy generation.
    """

    id: str
    config: str
    ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason
    seed: int | None

    def row(self) -> dict[str, Any]:
        """The JSON object of a generation record."""
        return {**dataclasses.asdict(self), "ids": list(self.ids)}


def generate(
    model: Any,
    tokenizer: Any,
    records: Iterable[PromptRecord],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    interventions: Mapping[str, Sequence[Intervention]] | Sequence[Intervention] | None = None,
    token_budget: int = 4096,
    continue_responses: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Generation]:
    """Answer every record under every config of `interventions`; yields in the order of records, then of configs.

    `interventions` maps config ids to what is applied together; a plain sequence is the one config "intervened", None
    the one config "plain". A batch mixes records and configs; neither its make-up nor a split for lack of memory
    changes which row gets what, or the random numbers of a row: those are keyed by record id and `seed`, so that all
    configs of a record share them. A response the record carries is not read, unless `continue_responses`.

    Args:
        model: a causal language model in evaluation mode, under PEFT or not.
        tokenizer: its tokenizer.
        records: prompts; an intervention whose span a record does not have leaves the record alone.
        max_new_tokens: most tokens of an answer.
        temperature: 0 is greedy.
        seed: of sampling; not used when greedy.
        interventions: see above.
        token_budget: most padded tokens (prompt and answer) in a batch.
        continue_responses: a record's response opens its answer, and what is yielded follows it.
        progress: told how many answers are finished more, batch by batch.

    Raises AssayError, before anything runs, for an intervention that does not fit the model, a prompt that leaves no
    room for the answer, and spans that no record has.
    """
    if max_new_tokens < 1 or temperature < 0:
        raise AssayError("generation needs max_new_tokens ≥ 1 and temperature ≥ 0")
    architecture = locate(model)
    configs = _configs(interventions)
    if not continue_responses:
        records = (dataclasses.replace(record, response=None, response_ids=None) for record in records)
    prompts = _encode_prompts(tokenizer, records, configs, architecture, max_new_tokens)
    jobs = [_Job(prompt, config, tuple(configs[config])) for prompt in prompts for config in configs]
    decoder = _Decoder(model, architecture, stop_ids(model, tokenizer), max_new_tokens, temperature, seed)
    return _in_order(decoder, tokenizer, jobs, token_budget, progress)


@dataclass(frozen=True)
class _Prompt:
    id: str
    ids: np.ndarray
    anatomy: Anatomy


@dataclass(frozen=True)
class _Job:
    prompt: _Prompt
    config: str
    interventions: tuple[Intervention, ...]


def _configs(
    interventions: Mapping[str, Sequence[Intervention]] | Sequence[Intervention] | None,
) -> Mapping[str, Sequence[Intervention]]:
    if interventions is None:
        return {PLAIN: ()}
    configs = interventions if isinstance(interventions, Mapping) else {"intervened": interventions}
    if not configs:
        raise AssayError("`interventions` holds no config; give None for plain generation")
    return configs


def _encode_prompts(
    tokenizer: Any,
    records: Iterable[PromptRecord],
    configs: Mapping[str, Sequence[Intervention]],
    architecture: Architecture,
    max_new_tokens: int,
) -> list[_Prompt]:
    wanted = {parse_scope(i.scope).span for config in configs.values() for i in config} - {None}
    limit = architecture.sizes.context_length
    prompts = []
    for record in records:
        spans = sorted(name for name in record.spans if name in wanted)
        encoding = encode(tokenizer, record, [f"span:{name}" for name in spans])
        if len(encoding.ids) + max_new_tokens > limit:
            raise AssayError(
                f"record {record.id!r} has {len(encoding.ids)} tokens, and with {max_new_tokens} new ones exceeds the "
                f"model's {limit}; shorten it or ask for fewer"
            )
        found = {name: encoding.positions[f"span:{name}"] for name in spans}
        prompts.append(_Prompt(record.id, encoding.ids, Anatomy(len(encoding.ids), found)))
    missing = sorted(str(name) for name in wanted if not any(name in p.anatomy.spans for p in prompts))
    if missing and len(missing) == len(wanted):
        raise AssayError(
            f"no record has the span {missing[0]!r} that an intervention is scoped to; check `spans` of the records"
        )
    return prompts


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer: of the generation config, else of the tokenizer."""
    found = getattr(model, "generation_config", None)
    stop = None if found is None else found.eos_token_id
    stop = tokenizer.eos_token_id if stop is None else stop
    return frozenset(stop if isinstance(stop, (list, tuple)) else [] if stop is None else [stop])


def _in_order(
    decoder: "_Decoder",
    tokenizer: Any,
    jobs: Sequence[_Job],
    token_budget: int,
    progress: Callable[[int], None] | None,
) -> Iterator[Generation]:
    """Run length-sorted batches and yield answers in the order of `jobs`, each as soon as all before it are there."""
    lengths = [len(job.prompt.ids) + decoder.max_new_tokens for job in jobs]
    halver = Halver(lengths, [job.prompt.id for job in jobs])
    done: dict[int, Generation] = {}
    upcoming = 0
    with Writer(
        decoder.architecture, {id(i): i for job in jobs for i in job.interventions}.values()
    ) as writer:
        for batch in plan_batches(lengths, token_budget):
            for part, answers in halver.run(
                batch, lambda p: decoder.run(writer, [jobs[index] for index in p])
            ):
                for index, answer in zip(part, answers, strict=True):
                    done[index] = decoder.generation(tokenizer, jobs[index], answer)
                if progress is not None:
                    progress(len(part))
            while upcoming in done:
                yield done.pop(upcoming)
                upcoming += 1


@dataclass
class _Answer:
    """The answer of one row so far, and its random numbers."""

    ids: list[int]
    random: np.random.Generator
    stopped: bool = False


class _Decoder:
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

    @torch.inference_mode()
    def run(self, writer: Writer, jobs: Sequence[_Job]) -> list[_Answer]:
        """The answers to `jobs`, in order. Padding is on the left; rows that are done leave the batch."""
        answers = [_Answer([], item_draws(self.seed, job.prompt.id)) for job in jobs]
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

    def generation(self, tokenizer: Any, job: _Job, answer: _Answer) -> Generation:
        """The record of an answer."""
        return Generation(
            id=job.prompt.id,
            config=job.config,
            ids=tuple(answer.ids),
            text=tokenizer.decode(answer.ids, skip_special_tokens=True),
            finish_reason="stop" if answer.stopped else "length",
            seed=self.seed if self.temperature > 0 else None,
        )

    def _row(self, job: _Job, first: int) -> Row:
        return Row(
            job.prompt.anatomy, job.interventions, first, length=self.architecture.sizes.context_length
        )

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

    def _choose(self, logits: torch.Tensor, answers: Sequence[_Answer]) -> list[int]:
        """The next token of each row: the likeliest, or where its next random number falls in the distribution."""
        if not torch.isfinite(logits).all():
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
