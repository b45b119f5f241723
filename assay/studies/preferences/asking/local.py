"""Asking a model whose weights are here, by letting it answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import transformers

from assay.forward.batching import plan_batches
from assay.generation.generation import generate
from assay.models.loading import LoadedModel
from assay.prompts.choice_template import Template, make_messages
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode
from assay.studies.preferences.asking.asking import ChoiceAnswer, Question, check_sampling, make_answer
from assay.studies.preferences.asking.choice import parse_answer


@dataclass(frozen=True)
class LocalBackend:
    """Batched generation; answers come batch by batch, in a plan that is a function of the questions. `thinking`: the chat
    template asks for reasoning before the answer.

    What an interrupted run finished is the beginning of the plan, so that the rest is planned as it would have been.
    """

    loaded: LoadedModel
    template: Template
    temperature: float = 0.7
    max_new_tokens: int = 16
    seed: int = 0
    token_budget: int = 2048
    thinking: bool = False
    retries: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sampling(self.max_new_tokens, self.temperature)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Weights, template, sampling, and the arithmetic."""
        return {
            "mode": "local",
            "template": self.template.version,
            "temperature": self.temperature,
            "max_new_tokens": self.max_new_tokens,
            "seed": self.seed,
            **({"enable_thinking": True} if self.thinking else {}),
            **arithmetic(self.loaded, self.token_budget),
        }

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield the answers of one batch at a time."""
        records = [
            replace(question_record(self.template, question), enable_thinking=self.thinking)
            for question in questions
        ]
        lengths = [len(encode(self.loaded.tokenizer, record).ids) + self.max_new_tokens for record in records]
        for batch in plan_batches(lengths, self.token_budget):
            yield [
                make_answer(generation.id, generation.text, parse_answer(generation.text, self.template))
                for generation in generate(
                    self.loaded.model,
                    self.loaded.tokenizer,
                    [records[index] for index in batch],
                    max_new_tokens=self.max_new_tokens,
                    temperature=self.temperature,
                    seed=self.seed,
                    token_budget=self.token_budget,
                )
            ]


def question_record(template: Template, question: Question) -> PromptRecord:
    """The prompt of a question."""
    messages = make_messages(template, question.task_a, question.task_b, system_prompt=question.system_prompt)
    return PromptRecord(id=question.id, messages=messages)


def arithmetic(loaded: LoadedModel, token_budget: int) -> dict[str, Any]:
    """What determines a local model's numbers to the last bit."""
    return {
        "pin": loaded.pin.fingerprint,
        "computed_in": str(loaded.model.dtype),
        "computed_on": loaded.device.type,
        "token_budget": token_budget,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
