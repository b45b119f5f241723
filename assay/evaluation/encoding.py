"""Items as tokens: a prompt behind the chat template, and what is scored of every candidate."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.forward.branches import Prefix, branches
from assay.generation.decoding import Prompt
from assay.interventions.interventions import Intervention
from assay.prompts.positions import parse_written, written
from assay.prompts.tokenization import encode_responses, encode_written

Rule = Literal["full", "last-token"]


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
        return tuple(one for one in interventions if self.first_touched(one) is not None)

    def first_touched(self, intervention: Intervention) -> int | None:
        """The first token that an intervention changes; None where it changes nothing."""
        stop = len(self.prompt.ids) + max(len(branch) for branch, _ in self.rows)
        tokens = written(parse_written(intervention.scope), self.prompt.layout, 0, stop)
        return None if intervention.is_noop or not len(tokens) else int(tokens[0])


def encode_items(
    tokenizer: Any,
    items: Iterable[Item],
    *,
    context_length: int,
    places: Collection[str] = (),
    rule: Rule = "full",
) -> list[Question]:
    """Items as tokens, behind the chat template; the end of the turn is not part of an answer.

    Args:
        tokenizer: the model's.
        items: questions; a response that a record carries is not read.
        context_length: most tokens that the model reads.
        places: expressions that interventions are written at; an item has the spans and explicit tokens it has.
        rule: "full" scores all tokens of a candidate; "last-token" only its last one, right behind the prompt, as the
            reference does.

    Raises AssayError, naming the item, where two candidates cannot be told apart, or prompt and answer are too long.
    """
    return [_encode_item(tokenizer, item, context_length, places, rule) for item in items]


def _encode_item(
    tokenizer: Any, item: Item, context_length: int, places: Collection[str], rule: Rule
) -> Question:
    record = replace(item.record, response=None, response_ids=None)
    encoding = encode_written(tokenizer, record, places)
    first = 0 if rule == "full" else -1
    answers = [tuple(ids[first:].tolist()) for ids in encode_responses(tokenizer, record, item.candidates)]
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
    return Question(item, Prompt(record.id, encoding.ids, encoding.layout), tuple(answers))
