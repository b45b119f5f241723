"""Scoring items: the log-probability of every candidate behind the chat template, under many interventions at once."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from assay.architecture import Architecture
from assay.batching import Halver, pad, plan_batches
from assay.branches import Prefix, branches
from assay.decoding import Prompt
from assay.errors import AssayError
from assay.interventions import Intervention
from assay.oocr.answers import Answer
from assay.oocr.items import Item
from assay.reading import input_device
from assay.scopes import Anatomy, parse_scope, touched
from assay.tokenization import encode
from assay.writing import Row, Writer

Rule = Literal["full", "last-token"]
Configs = Mapping[str, Sequence[Intervention]]
"""config id → interventions applied together; none for the model as it is."""


@dataclass(frozen=True)
class Question:
    """An item as tokens: its prompt, and what is scored of every candidate (all its tokens, or its last one)."""

    item: Item
    prompt: Prompt
    answers: tuple[Prefix, ...]

    @cached_property
    def rows(self) -> list[tuple[Prefix, list[tuple[int, int]]]]:
        """What runs through the model behind the prompt, and the (candidate, place of its token) that each row reads.

        Single-token candidates need one row, which is the prompt alone.
        """
        found: list[tuple[Prefix, list[tuple[int, int]]]] = [
            (branch, []) for branch in branches(self.answers)
        ]
        for candidate, answer in enumerate(self.answers):
            for place in range(len(answer)):
                branch = next(reads for b, reads in found if b[:place] == answer[:place])
                branch.append((candidate, place))
        return found

    @property
    def is_nested(self) -> bool:
        """Whether one candidate begins with another, which then is the likelier by construction."""
        return any(a != b and a[: len(b)] == b for a in self.answers for b in self.answers)

    def touched_by(self, interventions: Iterable[Intervention]) -> tuple[Intervention, ...]:
        """Those of `interventions` that change anything of this question."""
        stop = len(self.prompt.ids) + max(len(branch) for branch, _ in self.rows)
        return tuple(
            one
            for one in interventions
            if not one.is_noop and len(touched(parse_scope(one.scope), self.prompt.anatomy, 0, stop))
        )


def encode_items(
    tokenizer: Any,
    items: Iterable[Item],
    *,
    context_length: int,
    spans: Collection[str] = (),
    rule: Rule = "full",
) -> list[Question]:
    """Items as tokens, behind the chat template; the end of the turn is not part of an answer.

    Args:
        tokenizer: the model's.
        items: questions; a response that a record carries is not read.
        context_length: most tokens that the model reads.
        spans: names of spans that interventions are scoped to; an item has those it has.
        rule: "full" scores all tokens of a candidate; "last-token" only its last one, right behind the prompt, as the
            reference does.

    Raises AssayError, naming the item, where two candidates cannot be told apart, or prompt and answer are too long.
    """
    return [_encode_item(tokenizer, item, context_length, spans, rule) for item in items]


def _encode_item(
    tokenizer: Any, item: Item, context_length: int, spans: Collection[str], rule: Rule
) -> Question:
    record = replace(item.record, response=None, response_ids=None)
    own = [name for name in record.spans if name in spans]
    encoding = encode(tokenizer, record, [f"span:{name}" for name in own])
    answers = []
    for candidate in item.candidates:
        tokens = encode(tokenizer, replace(record, response=candidate)).ids[encoding.prompt_length :].tolist()
        answers.append(tuple(tokens if rule == "full" else tokens[-1:]))
    if len(set(answers)) < len(answers) or () in answers:
        raise AssayError(
            f"item {record.id!r}: two candidates of {list(item.candidates)} have the same tokens under the rule {rule!r}, or "
            "one has none; reword them or choose the other rule"
        )
    longest = len(encoding.ids) + max(map(len, answers))
    if longest > context_length:
        raise AssayError(
            f"item {record.id!r} has {longest} tokens, its longest candidate included; the model reads at most "
            f"{context_length}. Shorten it or leave it out"
        )
    found = {name: encoding.positions[f"span:{name}"] for name in own}
    return Question(item, Prompt(record.id, encoding.ids, Anatomy(len(encoding.ids), found)), tuple(answers))


@dataclass(frozen=True)
class _Job:
    """One batch row: a question's prompt and one of its branches, under configs that are the same to the question."""

    question: int
    configs: Sequence[str]
    interventions: tuple[Intervention, ...]
    branch: Prefix
    reads: Sequence[tuple[int, int]]


def score(
    model: Any,
    architecture: Architecture,
    questions: Sequence[Question],
    configs: Configs,
    *,
    token_budget: int = 4096,
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[Answer]]:
    """Score every question under every config; answers are in the order of `questions`.

    A batch mixes questions and configs, sorted by length; neither its make-up nor a split for lack of memory changes
    which row gets which interventions. Configs that touch no token of a question share one row, so that their answers
    are the same to the last bit.

    Args:
        model: a causal language model in evaluation mode, under PEFT or not.
        architecture: the map of its modules.
        questions: see `encode_items`.
        configs: see `Configs`.
        token_budget: most padded tokens of a forward pass.
        progress: told how many rows are done more, batch by batch; there are `count_rows` for each config.

    Raises AssayError for an intervention that does not fit the model and for logits that are not finite.
    """
    jobs = [job for number, question in enumerate(questions) for job in _jobs(number, question, configs)]
    lengths = [len(questions[job.question].prompt.ids) + len(job.branch) for job in jobs]
    halver = Halver(lengths, [questions[job.question].item.record.id for job in jobs])
    sums = {config: [np.zeros(len(question.answers)) for question in questions] for config in configs}
    with Writer(architecture, {id(i): i for each in configs.values() for i in each}.values()) as writer:
        batcher = _Batcher(model, architecture, writer, questions)
        for batch in plan_batches(lengths, token_budget):
            for part, values in halver.run(batch, lambda part: batcher.run([jobs[index] for index in part])):
                for index, logps in zip(part, values, strict=True):
                    candidates = [candidate for candidate, _ in jobs[index].reads]
                    for config in jobs[index].configs:
                        np.add.at(sums[config][jobs[index].question], candidates, logps)
            if progress is not None:
                progress(sum(len(jobs[index].configs) for index in batch))
    return {
        config: [
            Answer(question.item, tuple(logps.tolist()))
            for question, logps in zip(questions, found, strict=True)
        ]
        for config, found in sums.items()
    }


def _jobs(number: int, question: Question, configs: Configs) -> list[_Job]:
    effects = {config: question.touched_by(interventions) for config, interventions in configs.items()}
    alike: dict[tuple[int, ...], list[str]] = {}
    for config, effect in effects.items():
        alike.setdefault(tuple(map(id, effect)), []).append(config)
    return [
        _Job(number, names, effects[names[0]], branch, reads)
        for names in alike.values()
        for branch, reads in question.rows
    ]


def count_rows(questions: Iterable[Question]) -> int:
    """How many batch rows `score` runs for each config."""
    return sum(len(question.rows) for question in questions)


@dataclass(frozen=True)
class _Batcher:
    """Runs batches of jobs through the model."""

    model: Any
    architecture: Architecture
    writer: Writer
    questions: Sequence[Question]

    @torch.inference_mode()
    def run(self, jobs: Sequence[_Job]) -> list[np.ndarray]:
        """The log-probability (float64) of every token that each job reads.

        Padding is on the left, so that all rows end together and only the last columns need logits.
        """
        prompts = [self.questions[job.question].prompt for job in jobs]
        sequences = [
            np.concatenate([prompt.ids, np.asarray(job.branch, np.int64)])
            for prompt, job in zip(prompts, jobs, strict=True)
        ]
        batch = pad(sequences, pad_id=0, side="left").to(input_device(self.architecture))
        aimed = [
            Row(prompt.anatomy, job.interventions, -int(start), len(sequence))
            for prompt, job, start, sequence in zip(prompts, jobs, batch.starts, sequences, strict=True)
        ]
        self.writer.aim(aimed, batch.ids.shape[1])
        keep = 1 + max(len(job.branch) for job in jobs)
        logits = self.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.position_ids,
            use_cache=False,
            logits_to_keep=keep,
        ).logits.float()  # [batch, keep, vocab]
        rows, columns, tokens = np.array(
            [
                (row, keep - 1 - len(job.branch) + place, self._token(job, candidate, place))
                for row, job in enumerate(jobs)
                for candidate, place in job.reads
            ]
        ).T
        values = (logits[rows, columns, tokens] - logits.logsumexp(-1)[rows, columns]).double().cpu().numpy()
        if not np.isfinite(values).all():
            worst = jobs[int(rows[int(np.flatnonzero(~np.isfinite(values))[0])])]
            raise AssayError(
                f"item {self.questions[worst.question].item.record.id!r} under {worst.configs[0]!r}: the logits are NaN or "
                "infinite; load the model in bfloat16 or float32, or intervene less"
            )
        return np.split(values, np.cumsum([len(job.reads) for job in jobs])[:-1])

    def _token(self, job: _Job, candidate: int, place: int) -> int:
        return self.questions[job.question].answers[candidate][place]
