"""Generation: batched, cached, greedy or sampled, under interventions that each row may have of its own."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import AssayError
from assay.forward.batching import Halver, plan_batches
from assay.generation.decoding import Decoder, Job, PartialAnswer, Prompt
from assay.interventions.interventions import Intervention
from assay.interventions.writing import Writer
from assay.models.architecture import Architecture, locate
from assay.prompts.positions import parse_written, written
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode_written

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
    room for the answer, and spans or explicit tokens that no record has.
    """
    if max_new_tokens < 1 or temperature < 0:
        raise AssayError("generation needs max_new_tokens ≥ 1 and temperature ≥ 0")
    architecture = locate(model)
    configs = _configs(interventions)
    if not continue_responses:
        records = (dataclasses.replace(record, response=None, response_ids=None) for record in records)
    prompts = _encode_prompts(tokenizer, records, configs, architecture, max_new_tokens)
    jobs = [Job(prompt, config, tuple(configs[config])) for prompt in prompts for config in configs]
    decoder = Decoder(model, architecture, stop_ids(model, tokenizer), max_new_tokens, temperature, seed)
    return _in_order(decoder, tokenizer, jobs, token_budget, progress)


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
) -> list[Prompt]:
    wanted = sorted({i.scope for config in configs.values() for i in config})
    limit = architecture.sizes.context_length
    prompts = []
    for record in records:
        encoding = encode_written(tokenizer, record, wanted)
        if len(encoding.ids) + max_new_tokens > limit:
            raise AssayError(
                f"record {record.id!r} has {len(encoding.ids)} tokens, and with {max_new_tokens} new ones exceeds the "
                f"model's {limit}; shorten it or ask for fewer"
            )
        # A response that opens the answer is prompt too: what follows it is the response.
        layout = dataclasses.replace(encoding.layout, prompt_length=len(encoding.ids))
        prompts.append(Prompt(record.id, encoding.ids, layout))
    marked = [one for one in map(parse_written, wanted) if one.is_marked]
    if marked and not any(len(written(one, p.layout, 0, len(p.ids))) for one in marked for p in prompts):
        raise AssayError(
            f"no record has the tokens {marked[0].expression!r} that an intervention is written at; check `spans` and "
            "`positions` of the records"
        )
    return prompts


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer: of the generation config, else of the tokenizer."""
    found = getattr(model, "generation_config", None)
    stop = None if found is None else found.eos_token_id
    stop = tokenizer.eos_token_id if stop is None else stop
    return frozenset(stop if isinstance(stop, (list, tuple)) else [] if stop is None else [stop])


def _in_order(
    decoder: Decoder,
    tokenizer: Any,
    jobs: Sequence[Job],
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
                    done[index] = _generation(decoder, tokenizer, jobs[index], answer)
                if progress is not None:
                    progress(len(part))
            while upcoming in done:
                yield done.pop(upcoming)
                upcoming += 1


def _generation(decoder: Decoder, tokenizer: Any, job: Job, answer: PartialAnswer) -> Generation:
    return Generation(
        id=job.prompt.id,
        config=job.config,
        ids=tuple(answer.ids),
        text=tokenizer.decode(answer.ids, skip_special_tokens=True),
        finish_reason="stop" if answer.stopped else "length",
        seed=decoder.seed if decoder.temperature > 0 else None,
    )
