"""The topic of every task: from the tasks' own file, from a file of the user's, or from a judge model."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared.cli import run
from stages.shared.endpoints import (
    ConcurrencyOption,
    KeyOption,
    NameOption,
    TimeoutOption,
    UrlOption,
    make_endpoint,
)
from stages.shared.outputs import FILE
from stages.shared.scratch import scratch_root

if TYPE_CHECKING:
    from assay.generation.endpoint import Endpoint
    from assay.studies.preferences.utilities.topic_judge import Taxonomy

app = typer.Typer(add_completion=False)
Counts = dict[str, int]


@app.command()
def topics(
    tasks: Annotated[Path, typer.Option(help="tasks (JSONL, JSON or CSV: id, text)")],
    source: Annotated[
        Literal["field", "file", "judge"],
        typer.Option(help="the tasks' own field `topic`, --topics, or --judge-endpoint"),
    ],
    out: Annotated[Path, typer.Option(help="topic by task id (JSON)", rich_help_panel=FILE)],
    metrics: Annotated[
        Path, typer.Option(help="counts and the taxonomy's version (JSON)", rich_help_panel=FILE)
    ],
    taxonomy: Annotated[
        Path | None, typer.Option(help='JSON: {"topics": {name: what belongs there}}; a judge needs it')
    ] = None,
    topics: Annotated[Path | None, typer.Option(help="your topics (JSON or CSV)")] = None,
    judge_endpoint: UrlOption = None,
    judge_model: NameOption = None,
    judge_plain: Annotated[
        bool, typer.Option("--judge-plain", help="for endpoints that know no response_format")
    ] = False,
    key_variable: KeyOption = "OPENAI_API_KEY",
    concurrency: ConcurrencyOption = 20,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Write {task id: topic}. Tasks without a topic are left out and counted."""
    from assay.errors import AssayError
    from assay.storage.files import write_json
    from assay.studies.preferences.utilities.task_files import read_texts, read_topic_field
    from assay.studies.preferences.utilities.topic_judge import read_taxonomy
    from assay.studies.preferences.utilities.topics import Topics, read_topics

    texts = read_texts(tasks)
    names = None if taxonomy is None else read_taxonomy(taxonomy)
    counts: Counts = {}
    if source == "field":
        found = read_topic_field(tasks)
    elif source == "file":
        if topics is None:
            raise AssayError("--source file needs --topics, a file with the topic of every task")
        found = dict(read_topics(topics).of)
    else:
        if judge_endpoint is None or judge_model is None or names is None:
            raise AssayError(
                "--source judge needs --judge-endpoint, --judge-model and --taxonomy; give all three"
            )
        endpoint = make_endpoint(
            judge_endpoint, judge_model, key_variable=key_variable, concurrency=concurrency, timeout=timeout
        )
        found, counts = _judge(endpoint, names, texts, structured=not judge_plain)
    kept = {task: found[task] for task in texts if task in found}
    if not kept:
        raise AssayError(
            f"none of the {len(texts)} tasks in {tasks} has a topic; give another --source, or topics of these tasks"
        )
    if names is not None:
        _check(kept, names)
        counts["taxonomy_topics"] = len(names.topics)
    write_json(out, kept)
    version = {} if names is None else {"taxonomy_version": names.version}
    numbers = {
        "tasks": len(texts),
        "tasks_with_topic": len(kept),
        "tasks_without_topic": len(texts) - len(kept),
    }
    write_json(metrics, {**numbers, **counts, **version, **Topics(kept).metrics()})
    typer.echo(f"{out}: {len(kept)} of {len(texts)} tasks in {len(set(kept.values()))} topics")


def _judge(
    endpoint: "Endpoint", taxonomy: "Taxonomy", texts: dict[str, str], *, structured: bool
) -> tuple[dict[str, str], Counts]:
    from assay.generation.endpoint import ChatApi
    from assay.studies.preferences.utilities.topic_judge import judge_topics
    from stages.shared.step_progress import stepping

    with (
        asyncio.Runner() as runner,
        ChatApi(endpoint, runner) as api,
        stepping("judge topics", len(texts)) as tell,
    ):
        done = 0

        def progress(more: int) -> None:
            nonlocal done
            done += more
            tell(done, "tasks")

        judged = judge_topics(
            api,
            taxonomy,
            texts,
            structured=structured,
            scratch=scratch_root(),
            progress=progress,
        )
    return judged.topics, {
        "failures": sum(judged.failures.values()),
        **{f"failures_{name}": count for name, count in judged.failures.items()},
        **{f"retries_{name}": count for name, count in judged.retries.items()},
    }


def _check(topics: dict[str, str], taxonomy: "Taxonomy") -> None:
    from assay.errors import AssayError

    for task, topic in topics.items():
        if topic not in taxonomy.topics:
            raise AssayError(
                f"task {task!r} has the topic {topic!r}, which the taxonomy does not have; add it there or correct the topic"
            )


if __name__ == "__main__":
    run(app)
