"""Ask one model and many adapters of it many questions; the base model is loaded once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stages.shared import counts
from stages.shared.cli import read_yaml, run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, also_read

if TYPE_CHECKING:
    from assay.evaluation.encoding import Rule
    from assay.evaluation.evaluate import Asked, Plan
    from assay.models.loading import LoadedModel
    from assay.studies.oocr.plan_files import Entry

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    out: Annotated[Path, typer.Option(help="metrics (JSON)", rich_help_panel=FILE)],
    adapter: Annotated[
        list[str] | None, typer.Option(help="[NAME=]FOLDER that the fine-tuning stage wrote; repeat for more")
    ] = None,
    questions: Annotated[
        list[str] | None,
        typer.Option(help="[NAME=]FILE of items; repeat for more, all adapters are asked all"),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="instead of both: JSON or YAML, a list of {adapter, questions}")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="CSV with a row for each answer", rich_help_panel=FILE)
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV with a row for each number, for figures", rich_help_panel=FILE)
    ] = None,
    base: Annotated[bool, typer.Option(help="also ask the model without an adapter")] = True,
    random: Annotated[
        int,
        typer.Option(
            help="random controls of each adapter, of equal norm; a plan entry says what they are asked",
            min=0,
            callback=counts.controls,
        ),
    ] = 0,
    against: Annotated[
        list[str] | None, typer.Option(help="also report paired differences from this adapter (by name)")
    ] = None,
    by_category: Annotated[
        list[str] | None, typer.Option(help="question set (by name) whose categories go into the metrics too")
    ] = None,
    by_group: Annotated[
        list[str] | None,
        typer.Option(help="question set (by name) whose groups of items (orders) go into the table too"),
    ] = None,
    checkpoints: Annotated[bool, typer.Option(help="also ask checkpoints; they go into the tables")] = False,
    rule: Annotated[
        Literal["full", "last-token"], typer.Option(help="what is scored of a candidate")
    ] = "full",
    seed: Annotated[int, typer.Option(help="of random controls", min=0, max=MOST_SEED)] = 0,
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Write accuracy, probability and margin of everyone on every question set, with intervals.

    The metrics hold what is compared between experiments, the table holds everything. Several runs in one folder (seeds) are averaged; learning rates count as different adapters.
    """
    from assay.evaluation import tables
    from assay.evaluation.headlines import metrics
    from assay.models.loading import load_model
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from stages.shared.models import resolve_model

    entries = _entries(adapter or [], questions or [], plan)
    also_read("an input" if plan is None else f"an input of {plan}", read_of(entries))
    wanted = make_plan(entries, base=base, checkpoints=checkpoints, n_random=random, seed=seed)
    _check_names("--by-category", by_category or [], list(wanted.items))
    _check_names("--by-group", by_group or [], list(wanted.items))
    asked = ask(load_model(resolve_model(model, params)), wanted, rule, token_budget)
    lines = list(tables.summarise_groups(tables.group_runs(asked), against or [], by_group or []))
    found = metrics(lines, by_category or [])
    if records is not None:
        write_csv(records, tables.records_table(asked))
    if table is not None:
        write_csv(table, tables.lines_table(lines))
    write_json(out, found)
    typer.echo(f"{out}: {len(found)} numbers from {sum(len(one.answers) for one in asked)} answers")


def read_of(entries: "list[Entry]") -> list[Path]:
    """The files of questions, and the adapters' folders with their files."""
    from assay.finetuning.adapters import FILES

    named = [one for entry in entries for one in (*entry.questions, entry.adapter) if one is not None]
    inside = [path for one in named for path in one.path.rglob("*") if path.name in FILES]
    return [*(one.path for one in named), *inside]


def ask(loaded: "LoadedModel", plan: "Plan", rule: "Rule", token_budget: int) -> "list[Asked]":
    """Everyone's answers, behind a progress bar."""
    from assay.evaluation.evaluate import evaluate
    from stages.shared.step_progress import step_progress

    with step_progress("asking") as show:

        def advance(done: int, total: int) -> None:
            show(done, total, "rows")

        return list(evaluate(loaded, plan, rule=rule, token_budget=token_budget, progress=advance))


def make_plan(entries: "list[Entry]", *, base: bool, checkpoints: bool, n_random: int, seed: int) -> "Plan":
    """Read the question files, each once, and find the runs in the adapter folders."""
    from assay.errors import AssayError
    from assay.evaluation.evaluate import Plan
    from assay.evaluation.subjects import find_subjects
    from assay.studies.oocr.plan_files import Named, unique
    from assay.studies.oocr.published.questions import read_questions

    if n_random == 1:
        raise AssayError("one random control has no interval; give --random 20, or 0 for none")
    items = {name: read_questions(path) for name, path in unique(entries).items()}
    sets: dict[Named, list[str]] = {}
    controls: dict[Named, list[str]] = {}
    for entry in entries:
        if entry.adapter is not None:
            sets.setdefault(entry.adapter, []).extend(question.name for question in entry.questions)
            of_controls = entry.questions if entry.controls is None else entry.controls
            controls.setdefault(entry.adapter, []).extend(question.name for question in of_controls)
    asked = [
        (subject, list(dict.fromkeys(names if subject.draw is None else controls[one])))
        for one, names in sets.items()
        for subject in find_subjects(
            one.name, one.path, checkpoints=checkpoints, n_random=n_random if controls[one] else 0, seed=seed
        )
    ]
    return Plan(items, asked, base)


def _entries(adapters: list[str], questions: list[str], plan: Path | None) -> "list[Entry]":
    from assay.errors import AssayError
    from assay.studies.oocr.plan_files import Entry, parse_named, parse_plan

    if (plan is None) == (not questions) or (plan is not None and adapters):
        raise AssayError("give --questions (and --adapter), or --plan alone")
    if plan is not None:
        try:
            return parse_plan(_read(plan))
        except AssayError as error:
            raise AssayError(f"{plan}: {error}") from error
    asked = tuple(parse_named(word) for word in questions)
    return [Entry(parse_named(word), asked) for word in adapters] or [Entry(None, asked)]


def _read(path: Path) -> Any:
    """JSON, or YAML 1.2 where the suffix says so."""
    from assay.storage.json_text import read_document

    return read_yaml(path) if path.suffix in (".yaml", ".yml") else read_document(path)


def _check_names(option: str, names: list[str], known: list[str]) -> None:
    from assay.errors import AssayError

    wrong = [name for name in names if name not in known]
    if wrong:
        raise AssayError(f"{option} {wrong[0]}: no question set has this name; there are {known}")


if __name__ == "__main__":
    run(app)
