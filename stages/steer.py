"""Generate under an added direction at many coefficients and layers, and grade what is said."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.contexts import read_direction
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

    from assay.arrays import Floats
    from assay.evaluation.dose_response import Dose
    from assay.evaluation.grading import OpenAnswer, OpenItem, Score
    from assay.interventions.interventions import Intervention
    from assay.models.loading import LoadedModel

app = typer.Typer(add_completion=False)


@app.command()
def steer(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    direction: Annotated[Path, typer.Option(help="direction (.safetensors), or folder of trained vectors")],
    prompts: Annotated[
        Path, typer.Option(help="prompt records (JSONL), with target, grader and cluster where wanted")
    ],
    coefficients: Annotated[str, typer.Option(help="comma-separated multiples of the direction: -2,-1,1,2")],
    grader: GraderOption,
    out: Annotated[Path, typer.Option(help="metrics (JSON)", rich_help_panel=FILE)],
    table: Annotated[Path, typer.Option(help="dose–response (CSV)", rich_help_panel=FILE)],
    figure: Annotated[Path | None, typer.Option(help="the same, drawn (PNG)", rich_help_panel=FILE)] = None,
    records: Annotated[
        Path | None, typer.Option(help="CSV with a row for each answer", rich_help_panel=FILE)
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="of those the direction has; all of them without")
    ] = None,
    name: Annotated[str | None, typer.Option(help="which vector of a folder that holds several")] = None,
    tokens: Annotated[str, typer.Option(help="where it is added: all, prompt[:], response[:] …")] = "all",
    random: Annotated[
        int,
        typer.Option(help="random directions of equal norm at every dose", min=0, callback=counts.controls),
    ] = 20,
    max_new_tokens: NewTokensOption = 32,
    temperature: TemperatureOption = 0.0,
    seed: Annotated[
        int, typer.Option(help="of sampling and random directions", min=0, max=MOST_SEED // 2)
    ] = 0,
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
    """Write the dose–response of a direction beside that of random ones, and what it costs in coherence.

    Coefficient 0 is the unmodified model. The cost is the share of repeated three-token sequences, and the mean
    log-probability that the unmodified model gives the answer.
    """
    from assay.evaluation import dose_response
    from assay.evaluation.dose_tables import dose_metrics, dose_table
    from assay.evaluation.grading import count_states, read_open_items
    from assay.evaluation.speaking import grade_all
    from assay.models.layers import resolve_layers
    from assay.models.loading import load_model
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from stages.shared.models import resolve_model

    pin = resolve_model(model, params)
    added = read_direction(direction, name, pin)
    at = added.layers if layers is None else resolve_layers(layers, pin.n_layers)
    doses = dose_response.plan_doses(at, parse_coefficients(coefficients), random)
    interventions = dose_response.configs(added, doses, tokens, seed)
    items = read_open_items(prompts)
    check_clusters(prompts, items)
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
    graders = make_graders(items, grader, judge)
    loaded = load_model(pin)
    said = answer(loaded, items, interventions, max_new_tokens, temperature, seed, token_budget)
    scores = grade_all(said, graders)
    likelihoods = likelihoods_of(loaded, said, token_budget)
    responses = dose_response.tabulate_responses(said, scores, likelihoods)
    found = dose_table(responses, doses)
    write_csv(table, found)
    if figure is not None:
        draw(found, figure, f"{name or direction.stem}: {grader}")
    if records is not None:
        write_csv(records, answer_table(said, scores, doses))
    states = count_states([one for graded in scores.values() for one in graded])
    numbers = {"prompts": len(items), "random_directions": random, **states}
    write_json(out, numbers | dose_metrics(responses, doses))
    for layer, response in found[(found.statistic == "score") & (found.kind == "direction")].groupby("layer"):
        shown = response[response.measure == "level"].sort_values("coefficient")
        cells = (f"{c:g}: {value:.3f}" for c, value in zip(shown.coefficient, shown.value, strict=True))
        typer.echo(f"layer {layer}, score by coefficient: {', '.join(cells)}")
    typer.echo(f"{out}: {states}")


def parse_coefficients(text: str) -> list[float]:
    """Numbers with commas between. Raises AssayError."""
    from assay.errors import AssayError

    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise AssayError(
            f"--coefficients {text!r}: write numbers with commas between, such as -2,-1,1,2"
        ) from error


def answer(
    loaded: "LoadedModel",
    items: "list[OpenItem]",
    interventions: "dict[str, tuple[Intervention, ...]]",
    max_new_tokens: int,
    temperature: float,
    seed: int,
    token_budget: int,
) -> "dict[str, list[OpenAnswer]]":
    """What is said to every item under every config, behind a progress bar."""
    from assay.evaluation.speaking import speak
    from stages.shared.step_progress import step_progress

    total, done = len(items) * len(interventions), 0
    with step_progress("answering") as show:
        show(0, total, "answers")

        def advance(more: int) -> None:
            nonlocal done
            done += more
            show(done, total, "answers")

        return speak(
            loaded.model, loaded.tokenizer, items, interventions,
            max_new_tokens=max_new_tokens, temperature=temperature, seed=seed, token_budget=token_budget, progress=advance,
        )  # fmt: skip


def likelihoods_of(
    loaded: "LoadedModel", said: "dict[str, list[OpenAnswer]]", token_budget: int
) -> "dict[str, Floats]":
    """Mean log-probability of every answer by the unmodified model, [items] by config; NaN for an empty answer."""
    import numpy as np

    from assay.evaluation.dose_response import spoken_records
    from assay.generation.likelihood import mean_log_probabilities

    answers = {(one.item.record.id, one.ids): one for config in said.values() for one in config}
    different = list(answers.values())
    forced = spoken_records(different)
    values = np.full(len(different), np.nan)
    if forced:
        read = mean_log_probabilities(loaded.model, loaded.tokenizer, forced, token_budget=token_budget)
        values[[int(record.id) for record in forced]] = read
    of = dict(zip(answers, values.tolist(), strict=True))
    return {
        config: np.array([of[one.item.record.id, one.ids] for one in ones]) for config, ones in said.items()
    }


def answer_table(
    said: "dict[str, list[OpenAnswer]]", scores: "dict[str, list[Score]]", doses: "list[Dose]"
) -> "pd.DataFrame":
    """One row for each answer: dose, text, score and its state."""
    import pandas as pd

    of = {dose.config: dose for dose in doses}
    return pd.DataFrame(
        {
            "item": one.item.record.id,
            "layer": None if config not in of else str(of[config].layer),
            "coefficient": of[config].coefficient if config in of else 0.0,
            "draw": None if config not in of or of[config].draw is None else str(of[config].draw),
            "text": one.text,
            "stopped": int(one.stopped),
            "state": score.state,
            "score": score.value,
        }
        for config, ones in said.items()
        for one, score in zip(ones, scores[config], strict=True)
    )


def draw(found: "pd.DataFrame", figure: Path, title: str) -> None:
    """The picture of the table."""
    from assay.figures.dose_response import draw_dose_response

    draw_dose_response(found, figure, title=title)


if __name__ == "__main__":
    run(app)
