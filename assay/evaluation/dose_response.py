"""Dose and response: what a direction, added at growing coefficients, does to graded answers and to their coherence.

Every number stands beside that of random directions of equal norm. Coefficient 0 is the model as it is: one config for all
layers, on whose rows nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.arrays import Floats
from assay.errors import AssayError
from assay.evaluation.grading import OpenAnswer, Score
from assay.interventions.direction import Direction
from assay.interventions.interventions import Intervention
from assay.prompts.records import PromptRecord
from assay.statistics import jackknife
from assay.statistics.draws import item_draws
from assay.statistics.estimates import Estimate, range_of_replicates

UNSTEERED = "unsteered"
STATISTICS = ("score", "repeats", "log_probability")
"""What is reported at each dose: the grade, the share of repeated three-token sequences, and the mean log-probability that the
unmodified model gives the answer (nats a token). The last two are the cost."""


@dataclass(frozen=True)
class Dose:
    """One cell of the grid: a layer, a coefficient, and which random draw is added (None for the direction itself)."""

    layer: int
    coefficient: float
    draw: int | None = None

    @property
    def config(self) -> str:
        """Its name among configs of interventions."""
        draw = "direction" if self.draw is None else f"random_{self.draw}"
        return f"layer_{self.layer}/{self.coefficient:g}/{draw}"


def random_like(direction: Direction, draw: int) -> Direction:
    """Gaussian vectors with the norms of the direction's, layer by layer; equal draws give equal vectors."""
    drawn = {}
    for layer, vector in direction.vectors.items():
        noise = item_draws(draw, f"layer {layer}").normal(size=len(vector))
        drawn[layer] = noise * (np.linalg.norm(vector) / np.linalg.norm(noise))
    method = f"random {draw}, of the norm of: {direction.info.method}"
    return Direction(drawn, replace(direction.info, method=method))


def plan_doses(layers: Sequence[int], coefficients: Sequence[float], n_random: int) -> list[Dose]:
    """All cells with a coefficient other than 0, the direction's and each draw's.

    Raises AssayError for fewer than two coefficients, 0 counted among them, and for too few draws to show a range.
    """
    wanted = sorted({float(one) for one in coefficients} | {0.0})
    if len(wanted) < 2 or not np.isfinite(wanted).all():
        raise AssayError(
            "a dose–response needs a finite coefficient other than 0; give some, such as -2,-1,1,2"
        )
    if n_random == 1:
        raise AssayError("one random direction has no range; give --random 20, or 0 for none")
    draws = (None, *range(n_random))
    return [Dose(layer, c, draw) for layer in layers for c in wanted if c for draw in draws]


def configs(
    direction: Direction, doses: Sequence[Dose], tokens: str, seed: int
) -> dict[str, tuple[Intervention, ...]]:
    """Interventions by config, the unsteered model first; `seed` is added to the number of a draw."""
    sources: dict[int | None, Direction] = {None: direction}
    for draw in {dose.draw for dose in doses if dose.draw is not None}:
        sources[draw] = random_like(direction, seed + draw)
    return {UNSTEERED: ()} | {
        dose.config: (sources[dose.draw].intervention("add", dose.layer, dose.coefficient, tokens),)
        for dose in doses
    }


def repeated_share(ids: Sequence[int], n: int = 3) -> float:
    """Share of an answer's sequences of `n` tokens that occurred in it before; 0 for an answer shorter than that."""
    grams = [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def spoken_records(answers: Sequence[OpenAnswer]) -> list[PromptRecord]:
    """Records that force what was said, each under an id of its own; answers without tokens are left out."""
    return [
        replace(one.item.record, id=f"{place}", response=None, response_ids=one.ids)
        for place, one in enumerate(answers)
        if one.ids
    ]


@dataclass(frozen=True)
class Responses:
    """Numbers by config: for each of `STATISTICS` an array [items], NaN where an item has no number."""

    values: Mapping[str, Mapping[str, Floats]]
    clusters: tuple[str, ...]

    def at(self, dose: Dose | None, statistic: str) -> Floats:
        """[items]; None is the unsteered model."""
        return self.values[UNSTEERED if dose is None else dose.config][statistic]


def tabulate_responses(
    answers: Mapping[str, Sequence[OpenAnswer]],
    scores: Mapping[str, Sequence[Score]],
    log_probabilities: Mapping[str, Floats],
) -> Responses:
    """Everything that was found as arrays; a score that is not ok has no number."""
    values = {
        config: {
            "score": np.array([np.nan if one.value is None else one.value for one in scores[config]]),
            "repeats": np.array([repeated_share(one.ids) for one in said]),
            "log_probability": log_probabilities[config],
        }
        for config, said in answers.items()
    }
    return Responses(values, tuple(one.item.unit for one in answers[UNSTEERED]))


def level(responses: Responses, dose: Dose | None, statistic: str) -> Estimate | None:
    """Mean over items with its interval by item; None where fewer than two clusters have a number."""
    return _mean(responses.at(dose, statistic), responses.clusters)


def change(responses: Responses, dose: Dose, statistic: str) -> Estimate | None:
    """Mean paired change from the unsteered model."""
    return _mean(responses.at(dose, statistic) - responses.at(None, statistic), responses.clusters)


def random_change(responses: Responses, draws: Sequence[Dose], statistic: str) -> Estimate | None:
    """Mean change over random directions, with the interval in which one more would fall."""
    return _range([_nanmean(responses.at(one, statistic) - responses.at(None, statistic)) for one in draws])


def beyond(responses: Responses, dose: Dose, draws: Sequence[Dose]) -> float:
    """Share of random directions whose mean score changes at least as much in either way, (k + 1) / (n + 1)."""
    moved = abs(_nanmean(responses.at(dose, "score") - responses.at(None, "score")))
    others = [abs(_nanmean(responses.at(one, "score") - responses.at(None, "score"))) for one in draws]
    return (1 + sum(other >= moved for other in others)) / (1 + len(others))


def slope(responses: Responses, doses: Sequence[Dose]) -> Estimate | None:
    """Least-squares slope of an item's score over coefficients (0 among them), averaged over items with all numbers."""
    return _mean(_slopes(responses, doses), responses.clusters)


def random_slope(responses: Responses, draws: Mapping[int, Sequence[Dose]]) -> Estimate | None:
    """Mean slope over random directions, with the interval in which one more would fall."""
    return _range([_nanmean(_slopes(responses, doses)) for doses in draws.values()])


def _slopes(responses: Responses, doses: Sequence[Dose]) -> Floats:
    """[items], NaN where one of the doses has no number."""
    coefficients = np.array([0.0, *(dose.coefficient for dose in doses)])
    scores = np.stack([responses.at(None, "score"), *(responses.at(dose, "score") for dose in doses)])
    centred = coefficients - coefficients.mean()
    slopes: Floats = centred @ scores / float(centred @ centred)
    return slopes


def _mean(values: Floats, clusters: Sequence[str]) -> Estimate | None:
    kept = np.isfinite(values)
    names = np.asarray(clusters)[kept]
    if len(np.unique(names)) < 2:
        return None
    return jackknife.mean(values[kept], names, n_dropped=int((~kept).sum()))


def _range(values: Sequence[float]) -> Estimate | None:
    found = [value for value in values if np.isfinite(value)]
    return range_of_replicates(found) if len(found) > 1 else None


def _nanmean(values: Floats) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else float("nan")
