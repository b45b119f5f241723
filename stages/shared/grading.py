"""How a command line names the grader of answers: a rule, or a judge at an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.errors import AssayError
from stages.shared import counts
from stages.shared.endpoints import make_endpoint

if TYPE_CHECKING:
    from assay.evaluation.grading import Grader, OpenItem
    from assay.evaluation.judging import JudgeGrader

JUDGE = "judge"

GraderOption = Annotated[
    str,
    typer.Option(
        help="of items that name none: judge, or RULE[:TARGET] with the rule exact, prefix, contains, regex, number, length, "
        "sentiment (VADER) or language (py3langid)"
    ),
]
JudgeQuestionOption = Annotated[
    str | None, typer.Option(help="what the judge says of an answer, from 0 (not at all) to 100 (completely)")
]
JudgeEndpointOption = Annotated[
    str | None,
    typer.Option(
        help="base URL of the judge's OpenAI-compatible endpoint; without it, what the cache lacks is pending"
    ),
]
JudgeModelOption = Annotated[str | None, typer.Option(help="the judge's name there")]
JudgeCacheOption = Annotated[
    Path, typer.Option(help="the judge's scores by content (JSONL), read and appended to by every run")
]
JudgePlainOption = Annotated[
    bool, typer.Option("--judge-plain", help="for endpoints that know no response_format")
]
NewTokensOption = Annotated[int, typer.Option(help="most tokens of an answer", min=1, callback=counts.answer)]
TemperatureOption = Annotated[float, typer.Option(help="0 is greedy", callback=counts.temperature)]


@dataclass(frozen=True)
class Judge:
    """The judge's options, as given."""

    question: str | None
    endpoint: str | None
    model: str | None
    cache: Path
    plain: bool
    key_variable: str
    concurrency: int
    timeout: float


def check_clusters(name: str | Path, items: "Sequence[OpenItem]") -> None:
    """Raise AssayError unless the items of a file can have an interval."""
    if len({item.unit for item in items}) < 2:
        raise AssayError(f"{name}: an interval needs prompts of two clusters or more; give more prompts")


def make_graders(items: "Sequence[OpenItem]", default: str, judge: Judge) -> "dict[str, Grader]":
    """A grader for each name that an item gives, and the default for those that give none.

    Raises AssayError, before any answer is made, for a rule that lacks its target and a judge that lacks its options.
    """
    from assay.evaluation.rules import parse_rule

    graders: dict[str, Grader] = {}
    for name in dict.fromkeys(item.grader for item in items):
        if (name or default) == JUDGE:
            graders[name] = make_judge(judge)
            continue
        rule = parse_rule(name or default)
        for item in items:
            if item.grader == name:
                rule.check(item.targets, item.record.id)
        graders[name] = rule
    return graders


def make_judge(judge: Judge) -> "JudgeGrader":
    """The judge that the options describe, behind a progress bar when it asks."""
    from assay.evaluation.judging import JudgeGrader, Rubric

    if judge.question is None or judge.model is None:
        raise AssayError("the grader judge needs --judge-question and --judge-model; give both")
    endpoint = None
    if judge.endpoint is not None:
        endpoint = make_endpoint(
            judge.endpoint,
            judge.model,
            key_variable=judge.key_variable,
            concurrency=judge.concurrency,
            timeout=judge.timeout,
        )
    rubric = Rubric(judge.question, structured=not judge.plain)
    return JudgeGrader(rubric, judge.model, judge.cache, endpoint)
