"""Asking a model whose weights are here, by the exact probability that its answer begins with a label.

One forward pass serves all samples of a pair, and what prompts share is computed once. What is drawn first is whether an
answer begins with the tokens of label A, of label B (each without its colon) or otherwise, at the temperature and with the
per-question seeds of generation. An answer that begins otherwise is drawn from exactly those answers: its first tokens here,
the rest by generation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from assay.arrays import Floats
from assay.errors import AssayError
from assay.forward.batching import Halver, consecutive_batches
from assay.forward.branches import Prefix
from assay.forward.token_trees import ROW_TOKENS, TokenTree, plan_rows, tree_logits
from assay.generation.generation import generate, stop_ids
from assay.prompts.choice_template import bare_label
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode
from assay.statistics.draws import item_draws, softmax
from assay.studies.preferences.asking.asking import ChoiceAnswer, Question, make_answer
from assay.studies.preferences.asking.choice import parse_answer
from assay.studies.preferences.asking.label_tree import LabelTree
from assay.studies.preferences.asking.local import LocalBackend, question_record


@dataclass(frozen=True)
class Reading:
    """How an answer may begin: logits [vocab] of the next token after each beginning of a label."""

    logits: Mapping[Prefix, np.ndarray]
    temperature: float

    def following(self, prefix: Prefix) -> Floats:
        """Probabilities [vocab] of the token after `prefix`."""
        return softmax(self.logits[prefix], self.temperature)


@dataclass(frozen=True)
class LabelProbabilityBackend:
    """Exact label probabilities, sampled; `local` is the generation that they replace."""

    local: LocalBackend
    retries: Mapping[str, int] = field(default_factory=dict)

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the generation, under another mode."""
        return {**self.local.identity, "mode": "label-probability"}

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield the answers to all questions of one batch of prompts at a time."""
        asked: dict[tuple[str, str, str | None], list[Question]] = {}
        for question in questions:
            asked.setdefault((question.task_a, question.task_b, question.system_prompt), []).append(question)
        groups = list(asked.values())
        for batch in self.read([group[0] for group in groups]):
            yield self._answers([(groups[index], reading) for index, reading in batch])

    def probabilities(self, questions: Sequence[Question]) -> list[tuple[float, float]]:
        """(P(A), P(B)) of each question: that an answer begins with the label; what is missing to 1 begins otherwise."""
        found: dict[int, tuple[float, float]] = {}
        for batch in self.read(questions):
            for index, reading in batch:
                found[index] = self.tree.probabilities(reading.following)
        return [found[index] for index in range(len(questions))]

    @cached_property
    def tree(self) -> LabelTree:
        """The labels as tokens, as they stand at the beginning of an answer."""
        template, tokenizer = self.local.template, self.local.loaded.tokenizer
        opened = self._opened(Question("labels", "one", "two"))
        before = encode(tokenizer, opened).ids.tolist()
        labels = []
        for label in (template.label_a, template.label_b):
            words = [word for word in (template.opening, bare_label(label)) if word]
            ids = encode(tokenizer, replace(opened, response=" ".join(words))).ids.tolist()
            if ids[: len(before)] != before:
                raise AssayError(
                    f"template {template.name!r}: the opening {template.opening!r} and the label {label!r} share a token; end the "
                    "opening with a whole word"
                )
            labels.append(tuple(ids[len(before) :]))
        return LabelTree((labels[0], labels[1]))

    def _opened(self, question: Question) -> PromptRecord:
        """The prompt of a question, with the beginning of the answer that the template gives."""
        record = question_record(self.local.template, question)
        return replace(record, response=self.local.template.opening or None)

    def read(self, questions: Sequence[Question]) -> Iterator[list[tuple[int, Reading]]]:
        """Yield (index into `questions`, reading) for the questions of one batch at a time."""
        names = [question.id for question in questions]
        records = [self._opened(question) for question in questions]
        ids = [encode(self.local.loaded.tokenizer, record).ids for record in records]
        self._check_room(names, ids)
        branches = self.tree.branches
        sequences = [[(*prompt.tolist(), *branch) for branch in branches] for prompt in ids]
        plan = list(plan_rows(sequences, min(ROW_TOKENS, self.local.token_budget)))
        rows, lengths = [row for row, _ in plan], [tokens for _, tokens in plan]
        halver = Halver(lengths, [names[row[0]] for row in rows])
        for batch in consecutive_batches(lengths, self.local.token_budget):
            found: list[tuple[int, Reading]] = []
            for part, readings in halver.run(
                batch, lambda part: self._forward(names, sequences, [rows[i] for i in part])
            ):
                found += zip((index for i in part for index in rows[i]), readings, strict=True)
            yield found

    def _forward(
        self, names: Sequence[str], sequences: Sequence[Sequence[Prefix]], rows: Sequence[Sequence[int]]
    ) -> list[Reading]:
        """One pass over rows of questions, each its prompt followed by every branch of the tree."""
        trees = [TokenTree.of([sequence for index in row for sequence in sequences[index]]) for row in rows]
        keep = 1 + max(map(len, self.tree.branches))
        wanted = [np.concatenate([path[-keep:] for path in tree.paths]) for tree in trees]
        readings = []
        for row, logits in zip(rows, tree_logits(self.local.loaded.architecture, trees, wanted), strict=True):
            by_question = logits.numpy().reshape(len(row), len(self.tree.branches), keep, -1)
            wrong = ~np.isfinite(by_question).all(axis=(1, 2, 3))
            if wrong.any():
                raise AssayError(
                    f"question {names[row[int(wrong.argmax())]]}: the logits are NaN or infinite; load the model in bfloat16 or "
                    "float32"
                )
            readings += [self._reading(question) for question in by_question]
        return readings

    def _check_room(self, names: Sequence[str], ids: Sequence[np.ndarray]) -> None:
        limit = self.local.loaded.architecture.sizes.context_length
        for name, prompt in zip(names, ids, strict=True):
            if len(prompt) + self.local.max_new_tokens > limit:
                raise AssayError(
                    f"question {name} has {len(prompt)} tokens, which leaves no room for {self.local.max_new_tokens} more in "
                    f"the model's {limit}; leave the longer task out or cut it shorter"
                )

    def _reading(self, row: np.ndarray) -> Reading:
        """From the logits [branches, keep, vocab] of one question."""
        logits = {
            branch[:end]: row[number, row.shape[1] - 1 - len(branch) + end]
            for number, branch in enumerate(self.tree.branches)
            for end in range(len(branch) + 1)
        }
        return Reading(logits, self.local.temperature)

    def _label_answer(self, question: Question, choice: Literal["a", "b"]) -> ChoiceAnswer:
        template = self.local.template
        label = template.label_a if choice == "a" else template.label_b
        return ChoiceAnswer(question.id, choice, "probability", text=bare_label(label))

    def _answers(self, asked: Sequence[tuple[Sequence[Question], Reading]]) -> list[ChoiceAnswer]:
        """In the order of the questions, so that those without a label do not come in a row."""
        answers: list[ChoiceAnswer] = []
        others: dict[str, PromptRecord] = {}
        for questions, reading in asked:
            a, b = self.tree.probabilities(reading.following)
            for question in questions:
                draws = item_draws(self.local.seed, question.id)
                drawn = draws.random()
                if drawn < a:
                    answers.append(self._label_answer(question, "a"))
                elif drawn < a + b:
                    answers.append(self._label_answer(question, "b"))
                else:  # what the draw leaves to answers that begin otherwise
                    record = question_record(self.local.template, question)
                    first = self.tree.draw_other(reading.following, draws)
                    others[question.id] = replace(record, id=f"{question.id} otherwise", response_ids=first)
        found = {answer.id: answer for answer in (*answers, *self._generate_others(others))}
        return [found[question.id] for questions, _ in asked for question in questions]

    def _generate_others(self, records: Mapping[str, PromptRecord]) -> list[ChoiceAnswer]:
        """Answers of which the first tokens are drawn: generate the rest, unless they already end the answer."""
        loaded = self.local.loaded
        stops = stop_ids(loaded.model, loaded.tokenizer)
        firsts = {name: record.response_ids or () for name, record in records.items()}
        open_ended = {f"{name} otherwise": name for name, first in firsts.items() if first[-1] not in stops}
        rest = {
            open_ended[generation.id]: generation.ids
            for generation in generate(
                loaded.model,
                loaded.tokenizer,
                [records[name] for name in open_ended.values()],
                max_new_tokens=self.local.max_new_tokens,
                temperature=self.local.temperature,
                seed=self.local.seed,
                token_budget=self.local.token_budget,
                continue_responses=True,
            )
        }
        answers = []
        for name, first in firsts.items():
            tokens = (*first, *rest[name]) if name in rest else first[:-1]
            text = loaded.tokenizer.decode(tokens, skip_special_tokens=True)
            answers.append(make_answer(name, text, parse_answer(text, self.local.template)))
        return answers
