"""Losses and gradients of examples under every run: one pass over the tails, in parts that fit into memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from assay.finetuning.trainee import Trainee
from assay.forward.batching import Halver, plan_batches
from assay.forward.encoded import Example
from assay.forward.prefixes import Prefixes
from assay.forward.suffix import Suffix
from assay.forward.tails import run_tails


@dataclass(frozen=True)
class _Totals:
    """Of a part of a step, by run [n_runs]: summed loss, and how many examples were answered right."""

    loss: torch.Tensor
    right: torch.Tensor
    gradients: tuple[torch.Tensor, ...] = ()


class Learner:
    """Losses and gradients of a set of examples under all runs."""

    def __init__(self, suffix: Suffix, prefixes: Prefixes, trainee: Trainee, n_runs: int, token_budget: int):
        self.suffix = suffix
        self.prefixes = prefixes
        self.examples = prefixes.examples
        self.trainee = trainee
        self.n_runs = n_runs
        self.parameters = [p for run in range(n_runs) for p in trainee.parameters(run)]
        self.token_budget = token_budget

    def step(self, indices: Sequence[int]) -> list[tuple[float, float]]:
        """(mean loss, accuracy) of each run on some examples; the gradients are left in the parameters."""
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        return self._run(indices, learn=True)

    def judge(self) -> list[tuple[float, float]]:
        """(mean loss, accuracy) of each run on all examples."""
        with torch.no_grad():
            return self._run(range(len(self.examples)), learn=False)

    def _run(self, indices: Sequence[int], *, learn: bool) -> list[tuple[float, float]]:
        """Each row is an example under a run; each run's loss is the mean over its response tokens."""
        rows = [(index, run) for index in indices for run in range(self.n_runs)]
        n_labels = sum(len(self.examples[index].labels) for index in indices)
        lengths = [self.prefixes.tail_length(index) for index, _ in rows]
        halver = Halver(lengths, [self.examples[index].id for index, _ in rows])
        loss = torch.zeros(self.n_runs, dtype=torch.float64)
        right = torch.zeros(self.n_runs, dtype=torch.float64)
        for batch in plan_batches(lengths, self.token_budget):
            for _, totals in halver.run(
                batch, lambda part: self._part([rows[i] for i in part], n_labels, learn)
            ):
                loss += totals.loss
                right += totals.right
                for parameter, gradient in zip(self.parameters, totals.gradients, strict=learn):
                    assert parameter.grad is not None
                    parameter.grad += gradient
        if halver.too_large is not None:  # so that the next step does not fail first
            self.token_budget = min(self.token_budget, halver.too_large - 1)
        return list(zip((loss / n_labels).tolist(), (right / len(indices)).tolist(), strict=True))

    def _part(self, rows: Sequence[tuple[int, int]], n_labels: int, learn: bool) -> _Totals:
        """One forward (and backward) pass. Gradients are returned, so that a pass that fails leaves none behind."""
        examples = [self.examples[index] for index, _ in rows]
        runs = [run for _, run in rows]
        logits = self.suffix.logits(self._normed([index for index, _ in rows], examples, runs))
        counts = torch.tensor([len(example.labels) for example in examples])
        owners = torch.arange(len(rows)).repeat_interleave(counts)
        labels = torch.from_numpy(np.concatenate([example.labels for example in examples])).to(logits.device)
        losses = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
        gradients: tuple[torch.Tensor, ...] = ()
        if learn:
            gradients = torch.autograd.grad(losses.sum() / n_labels, self.parameters)
        wrong = torch.zeros(len(rows)).index_add(0, owners, (logits.argmax(1) != labels).float().cpu())
        by_run = torch.tensor(runs)
        empty = torch.zeros(self.n_runs, dtype=torch.float64)
        return _Totals(
            loss=empty.index_add(0, by_run[owners], losses.detach().double().cpu()),
            right=empty.index_add(0, by_run, (wrong == 0).double()),
            gradients=gradients,
        )

    def _normed(
        self, indices: Sequence[int], examples: Sequence[Example], runs: Sequence[int]
    ) -> torch.Tensor:
        """Normed hidden states [labels, d_model] at the tokens that predict a label."""
        normed, cuts = run_tails(
            self.suffix,
            self.prefixes,
            indices,
            lambda hidden, cuts: self.trainee.enter(hidden, examples, cuts, runs),
        )
        rows = np.repeat(np.arange(len(examples)), [len(example.labels) for example in examples])
        columns = np.concatenate(
            [np.arange(e.prompt_length - 1, e.n_inputs) - cut for e, cut in zip(examples, cuts, strict=True)]
        )
        return normed[torch.from_numpy(rows).to(normed.device), torch.from_numpy(columns).to(normed.device)]
