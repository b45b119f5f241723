"""Forward passes that read the log-probabilities of tokens: of whole rows, or on top of what several configs share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from assay.errors import AssayError
from assay.evaluation.encoding import Question
from assay.forward.batching import pad
from assay.forward.branches import Prefix
from assay.forward.encoded import Example
from assay.forward.prefixes import Prefixes
from assay.forward.suffix import Suffix
from assay.forward.tails import run_tails
from assay.interventions.interventions import Intervention
from assay.interventions.writing import Row, Writer
from assay.models.architecture import Architecture
from assay.models.devices import input_device


@dataclass(frozen=True)
class Job:
    """One batch row: a question's prompt and one of its branches, under configs that are the same to the question.

    `number` is the question's, `reads` are the (candidate, place of its token) that the row predicts.
    """

    number: int
    question: Question
    branch: Prefix
    reads: Sequence[tuple[int, int]]
    configs: Sequence[str]
    interventions: tuple[Intervention, ...]

    @property
    def ids(self) -> np.ndarray:
        """int64 (n_tokens,)."""
        return np.concatenate([self.question.prompt.ids, np.asarray(self.branch, np.int64)])

    @property
    def start(self) -> int | None:
        """The lowest block that its interventions change; None without any."""
        return min((one.layer for one in self.interventions), default=None)

    @property
    def first_touched(self) -> int:
        """The first token that its interventions change, or the first that predicts a read one."""
        firsts = [self.question.first_touched(one) for one in self.interventions]
        return min([len(self.question.prompt.ids) - 1, *(first for first in firsts if first is not None)])


class Runner(Protocol):
    """How a batch is run."""

    def run(self, jobs: Sequence[Job]) -> list[np.ndarray]:
        """The log-probability (float64) of every token that each job reads."""


class WholeRows:
    """Runs every row from its first token through all blocks."""

    def __init__(self, model: Any, architecture: Architecture, writer: Writer):
        self.model = model
        self.writer = writer
        self.device = input_device(architecture)

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[np.ndarray]:
        """See `Runner`. Padding is on the left: all rows end together, and only the last columns need logits."""
        sequences = [job.ids for job in jobs]
        batch = pad(sequences, pad_id=0, side="left").to(self.device)
        width, keep = batch.ids.shape[1], 1 + max(len(job.branch) for job in jobs)
        rows = [
            Row(job.question.prompt.layout, job.interventions, -int(start), len(sequence))
            for job, start, sequence in zip(jobs, batch.starts, sequences, strict=True)
        ]
        self.writer.aim(rows, width)
        logits = self.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.position_ids,
            use_cache=False,
            logits_to_keep=keep,
        ).logits  # [batch, keep, vocab]
        return _read(jobs, batch.starts - (width - keep), lambda rows, columns: logits[rows, columns])


class SharedPrefixes:
    """Runs rows from block `start` on, and from the first token on that a config of the question changes.

    What comes before is the same for all configs and is computed once.
    """

    def __init__(
        self, architecture: Architecture, writer: Writer, start: int, jobs: Sequence[Job], token_budget: int
    ):
        self.writer = writer
        self.suffix = Suffix(architecture, start)
        self.places: dict[tuple[int, Prefix], int] = {}
        cuts: list[int] = []
        rows: list[Job] = []
        for job in jobs:
            place = self.places.setdefault((job.number, job.branch), len(rows))
            if place == len(rows):
                rows.append(job)
                cuts.append(job.first_touched)
            cuts[place] = min(cuts[place], job.first_touched)
        examples = [_example(job, cut) for job, cut in zip(rows, cuts, strict=True)]
        self.prefixes = Prefixes(
            self.suffix, examples, share_tokens=True, token_budget=token_budget, budget_bytes=0
        )

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[np.ndarray]:
        """See `Runner`."""

        def enter(hidden: torch.Tensor, cuts: Sequence[int]) -> torch.Tensor:
            rows = [
                Row(job.question.prompt.layout, job.interventions, cut, len(job.ids))
                for job, cut in zip(jobs, cuts, strict=True)
            ]
            self.writer.aim(rows, hidden.shape[1])
            return hidden

        self.writer.aim((), 0)  # prefixes are computed without any intervention
        places = [self.places[job.number, job.branch] for job in jobs]
        normed, cuts = run_tails(self.suffix, self.prefixes, places, enter)
        return _read(jobs, -np.array(cuts), lambda rows, columns: self.suffix.logits(normed[rows, columns]))


def _example(job: Job, cut: int) -> Example:
    """A row as an example whose last token, a label alone, stands for whatever follows."""
    ids = np.append(job.ids, 0)
    return Example(job.question.item.record.id, ids, len(job.question.prompt.ids), {"first": np.array([cut])})


def _read(
    jobs: Sequence[Job],
    starts: np.ndarray,
    pick: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> list[np.ndarray]:
    """The log-probability (float64) of every token that each job reads.

    `starts` [jobs] is the column of each row's first token in the output; `pick(rows, columns)` gives logits [n, vocab].
    """
    counts = [len(job.reads) for job in jobs]
    rows = np.repeat(np.arange(len(jobs)), counts)
    predictors, tokens = np.array(
        [
            (len(job.question.prompt.ids) - 1 + place, job.question.answers[candidate][place])
            for job in jobs
            for candidate, place in job.reads
        ]
    ).T
    where, which = np.unique(np.stack([rows, starts[rows] + predictors]), axis=1, return_inverse=True)
    logits = pick(torch.from_numpy(where[0]), torch.from_numpy(where[1])).float()
    norms = logits.logsumexp(-1)
    which = which.reshape(-1)
    values = (logits[which, tokens] - norms[which]).double().cpu().numpy()
    if not np.isfinite(values).all():
        worst = jobs[int(rows[int(np.flatnonzero(~np.isfinite(values))[0])])]
        raise AssayError(
            f"item {worst.question.item.record.id!r} under {worst.configs[0]!r}: the logits are NaN or infinite; load the "
            "model in bfloat16 or float32, or intervene less"
        )
    return np.split(values, np.cumsum(counts)[:-1])
