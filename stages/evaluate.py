"""Ask one model and adapters of it open questions, and grade what they say: by a rule, or by a judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.endpoints import ConcurrencyOption, KeyOption, TimeoutOption
from stages.shared.grading import (
    GraderOption,
    Judge,
    JudgeCacheOption,
    JudgeEndpointOption,
    JudgeModelOption,
    JudgePlainOption,
    JudgeQuestionOption,
    NewTokensOption,
    TemperatureOption,
    check_clusters,
    make_graders,
)
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    import pandas as pd

    from assay.evaluation.grading import Grader, OpenItem
    from assay.evaluation.open_evaluate import Speech
    from assay.evaluation.open_tables import OpenAsked
    from assay.evaluation.subjects import Subject
    from assay.models.loading import LoadedModel

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    questions: Annotated[
        list[str],
        typer.Option(help="[NAME=]FILE of prompt records, with target, grader and cluster where wanted"),
    ],
    grader: GraderOption,
    out: Annotated[Path, typer.Option(help="metrics (JSON)", rich_help_panel=FILE)],
    records: Annotated[
        Path | None, typer.Option(help="CSV with a row for each answer", rich_help_panel=FILE)
    ] = None,
    adapter: Annotated[
        list[str] | None, typer.Option(help="[NAME=]FOLDER that the fine-tuning stage wrote; repeat for more")
    ] = None,
    base: Annotated[bool, typer.Option(help="also ask the model without an adapter")] = True,
    random: Annotated[
        int,
        typer.Option(help="random controls of each adapter, of equal norm", min=0, callback=counts.controls),
    ] = 0,
    max_new_tokens: NewTokensOption = 32,
    temperature: TemperatureOption = 0.0,
    seed: Annotated[int, typer.Option(help="of sampling and random controls", min=0, max=MOST_SEED // 2)] = 0,
    judge_question: JudgeQuestionOption = None,
    judge_endpoint: JudgeEndpointOption = None,
    judge_model: JudgeModelOption = None,
    judge_cache: JudgeCacheOption = Path(".scratch/judge.jsonl"),
    judge_plain: JudgePlainOption = False,
    key_variable: KeyOption = "OPENAI_API_KEY",
    concurrency: ConcurrencyOption = 20,
    timeout: TimeoutOption = 60.0,
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Write the mean score of everyone on every question set, with intervals, and how many answers have no score.

    An answer that the judge failed on is an error, one that it has not seen is pending; neither counts as a score.
    """
    from assay.errors import AssayError
    from assay.evaluation.grading import count_states, read_open_items
    from assay.evaluation.open_evaluate import Speech
    from assay.evaluation.open_tables import counts_by_set, open_metrics
    from assay.models.loading import load_model
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from stages.shared.models import resolve_model

    if random == 1:
        raise AssayError("one random control has no interval; give --random 20, or 0 for none")
    files = named(questions)
    items = {name: read_open_items(path) for name, path in files.items()}
    for name, of_set in items.items():
        check_clusters(name, of_set)
    judge = Judge(
        judge_question,
        judge_endpoint,
        judge_model,
        judge_cache,
        judge_plain,
        key_variable,
        concurrency,
        timeout,
    )
    graders = make_graders([item for of_set in items.values() for item in of_set], grader, judge)
    subjects = find(named(adapter or []), random, seed)
    speech = Speech(max_new_tokens, temperature, seed, token_budget)
    asked = ask(load_model(resolve_model(model, params)), items, subjects, graders, speech, base=base)
    found: dict[str, float | int] = {}
    for name, scores in counts_by_set(asked).items():
        found |= {f"{name}_{state}": count for state, count in count_states(scores).items()}
    found |= open_metrics(asked)
    if records is not None:
        write_csv(records, answer_table(asked))
    write_json(out, found)
    typer.echo(f"{out}: {len(found)} numbers from {sum(len(one.answers) for one in asked)} answers")


def named(words: list[str]) -> dict[str, Path]:
    """Paths by name, NAME=PATH or PATH alone. Raises AssayError for a name given twice."""
    from assay.errors import AssayError

    found: dict[str, Path] = {}
    for word in words:
        name, mark, path = word.partition("=")
        place = Path(path if mark else word)
        key = name if mark else place.stem
        if key in found:
            raise AssayError(f"{key!r} names two files; give names: NAME={place}")
        found[key] = place
    return found


def find(adapters: dict[str, Path], n_random: int, seed: int) -> "list[Subject]":
    """The runs in the adapter folders, and their random controls."""
    from assay.evaluation.subjects import find_subjects

    return [
        subject
        for name, path in adapters.items()
        for subject in find_subjects(name, path, n_random=n_random, seed=seed)
    ]


def ask(
    loaded: "LoadedModel",
    items: "dict[str, list[OpenItem]]",
    subjects: "list[Subject]",
    graders: "dict[str, Grader]",
    speech: "Speech",
    *,
    base: bool,
) -> "list[OpenAsked]":
    """Everyone's answers, behind a progress bar."""
    from assay.evaluation.open_evaluate import evaluate_open
    from stages.shared.step_progress import step_progress

    total, done = sum(map(len, items.values())) * (len(subjects) + base), 0
    with step_progress("answering") as show:
        show(0, total, "answers")

        def advance(more: int) -> None:
            nonlocal done
            done += more
            show(done, total, "answers")

        return evaluate_open(loaded, items, subjects, graders, speech, base=base, progress=advance)


def answer_table(asked: "list[OpenAsked]") -> "pd.DataFrame":
    """One row for each answer: its text, score and state."""
    import pandas as pd

    return pd.DataFrame(
        {
            "questions": one.questions,
            "adapter": one.adapter,
            "run": "" if one.subject is None else one.subject.run,
            "item": answer.item.record.id,
            "text": answer.text,
            "stopped": int(answer.stopped),
            "state": score.state,
            "score": score.value,
            "detail": score.detail,
        }
        for one in asked
        for answer, score in zip(one.answers, one.scores, strict=True)
    )


if __name__ == "__main__":
    run(app)
