"""Asking an OpenAI-compatible endpoint, and having a judge read what no label decides."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.generation.endpoint import ChatApi, ChatError
from assay.prompts.choice_template import Template, make_messages
from assay.statistics.draws import item_seed
from assay.studies.preferences.asking.asking import (
    Backend,
    ChoiceAnswer,
    Question,
    check_sampling,
    make_answer,
)
from assay.studies.preferences.asking.choice import Parsed, parse_answer
from assay.studies.preferences.asking.judge import ChoiceJudge

_SEED_BITS = 31  # what every server takes as an integer


@dataclass(frozen=True)
class RemoteBackend:
    """Questions to a chat endpoint, many under way; `judge` reads what no label decides, inside the same bound.

    `thinking` is what the server's chat template is told of reasoning; None leaves it to the server.
    """

    api: ChatApi
    template: Template
    temperature: float = 0.7
    max_new_tokens: int = 256
    seed: int = 0
    judge: ChoiceJudge | None = None
    thinking: bool | None = None

    def __post_init__(self) -> None:
        check_sampling(self.max_new_tokens, self.temperature)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Endpoint, model, template, sampling and judge."""
        return {
            "mode": "openai",
            "url": self.api.endpoint.url,
            "model": self.api.endpoint.model,
            "template": self.template.version,
            "temperature": self.temperature,
            "max_new_tokens": self.max_new_tokens,
            "seed": self.seed,
            "judge": None if self.judge is None else self.judge.identity,
            **({} if self.thinking is None else {"enable_thinking": self.thinking}),
        }

    @property
    def retries(self) -> Mapping[str, int]:
        """Repeated requests, the judge's included."""
        return _retries(self.api, self.judge)

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield each answer as it comes. Every sample has a seed of its own, as far as the server heeds it."""
        for answer in self.api.stream(self._ask_one, questions):
            yield [answer]

    async def _ask_one(self, question: Question) -> ChoiceAnswer:
        messages = make_messages(
            self.template, question.task_a, question.task_b, system_prompt=question.system_prompt
        )
        try:
            completion = await self.api.complete(
                messages,
                temperature=self.temperature,
                max_tokens=self.max_new_tokens,
                seed=item_seed(self.seed, question.id) % 2**_SEED_BITS,
                thinking=self.thinking,
            )
        except ChatError as failure:
            return ChoiceAnswer(question.id, None, failure=failure.category, text=failure.detail)
        parsed = parse_answer(completion.text, self.template)
        if self.judge is None:
            return make_answer(question.id, completion.text, parsed)
        return await judged(self.judge, question, completion.text, parsed)


@dataclass(frozen=True)
class JudgedBackend:
    """Another backend, the refusals and unclear answers of which a judge reads again."""

    backend: Backend
    judge: ChoiceJudge

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the backend and of the judge."""
        return {**self.backend.identity, "judge": self.judge.identity}

    @property
    def retries(self) -> Mapping[str, int]:
        """The judge's repeated requests."""
        return Counter(self.backend.retries) + _retries(self.judge.api, None)

    def ask(self, questions: Sequence[Question]) -> Iterator[list[ChoiceAnswer]]:
        """Yield the backend's groups, with the judge's reading in place of what a label does not decide."""
        by_id = {question.id: question for question in questions}

        async def read_again(answer: ChoiceAnswer) -> ChoiceAnswer:
            if answer.failure not in (None, "unclear"):
                return answer
            return await judged(self.judge, by_id[answer.id], answer.text, Parsed(answer.choice, answer.rule))

        for group in self.backend.ask(questions):
            yield list(self.judge.api.stream(read_again, group))


async def judged(judge: ChoiceJudge, question: Question, text: str, parsed: Parsed) -> ChoiceAnswer:
    """The answer to a question: what a label decides, else what the judge says, whose failures are marked as its own."""
    if parsed.rule in (None, "opening"):
        try:
            parsed = await judge.judge(question.task_a, question.task_b, text)
        except ChatError as failure:
            return ChoiceAnswer(question.id, None, failure=f"judge_{failure.category}", text=text)
    return make_answer(question.id, text, parsed)


def _retries(api: ChatApi, judge: ChoiceJudge | None) -> Counter[str]:
    own = Counter(api.retries)
    return own if judge is None or judge.api is api else own + judge.api.retries
