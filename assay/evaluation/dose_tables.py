"""A dose–response as a tidy table and as metrics."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from assay.evaluation import dose_response
from assay.evaluation.dose_response import STATISTICS, Dose, Responses
from assay.statistics.estimates import Estimate

if TYPE_CHECKING:
    import pandas as pd


def dose_table(responses: Responses, doses: Sequence[Dose]) -> "pd.DataFrame":
    """A row for each layer, coefficient (0 among them), kind (direction, random), statistic and measure (level, change).

    The interval of a direction is over items; that of random ones is where one more random direction would fall.
    """
    import pandas as pd

    columns = [
        "layer",
        "coefficient",
        "kind",
        "statistic",
        "measure",
        "value",
        "lower",
        "upper",
        "n",
        "n_dropped",
    ]
    return pd.DataFrame(_rows(responses, doses), columns=columns).round(6)


def dose_metrics(responses: Responses, doses: Sequence[Dose]) -> dict[str, float | int]:
    """Flat metrics: the unsteered score; by layer the slope beside the random one's; by dose changes, cost and controls."""
    found = _flat("unsteered", {name: dose_response.level(responses, None, name) for name in STATISTICS})
    for layer, of_layer in groupby(doses, key=lambda dose: dose.layer):
        cells = list(of_layer)
        own = [dose for dose in cells if dose.draw is None]
        draws = {n: [d for d in cells if d.draw == n] for n in {d.draw for d in cells} if n is not None}
        name = f"layer_{layer}"
        slopes = {
            "slope": dose_response.slope(responses, own),
            "slope_random": dose_response.random_slope(responses, draws),
        }
        found |= _flat(name, slopes)
        for dose in own:
            found |= _dose_metrics(f"{name}_c_{_word(dose.coefficient)}", responses, dose, _like(cells, dose))
    return found


def _dose_metrics(
    name: str, responses: Responses, dose: Dose, draws: Sequence[Dose]
) -> dict[str, float | int]:
    found = _flat(name, {"score": dose_response.level(responses, dose, "score")})
    for statistic in STATISTICS:
        changes = {
            f"{statistic}_change": dose_response.change(responses, dose, statistic),
            f"{statistic}_change_random": dose_response.random_change(responses, draws, statistic),
        }
        found |= _flat(name, changes)
    if draws and f"{name}_score_change" in found:
        found[f"{name}_p_random"] = dose_response.beyond(responses, dose, draws)
    return found


def _rows(responses: Responses, doses: Sequence[Dose]) -> Iterator[list[Any]]:
    for layer in dict.fromkeys(dose.layer for dose in doses):
        for statistic in STATISTICS:
            start = dose_response.level(responses, None, statistic)
            yield from _row(layer, 0.0, "direction", statistic, "level", start)
        for dose in (d for d in doses if d.layer == layer and d.draw is None):
            draws = _like(doses, dose)
            for statistic in STATISTICS:
                place = (layer, dose.coefficient)
                level = dose_response.level(responses, dose, statistic)
                yield from _row(*place, "direction", statistic, "level", level)
                change = dose_response.change(responses, dose, statistic)
                yield from _row(*place, "direction", statistic, "change", change)
                drawn = dose_response.random_change(responses, draws, statistic)
                yield from _row(*place, "random", statistic, "change", drawn)


def _row(
    layer: int, coefficient: float, kind: str, statistic: str, measure: str, found: Estimate | None
) -> Iterator[list[Any]]:
    if found is not None:
        interval = (found.value, found.lower, found.upper, found.n, found.n_dropped)
        yield [layer, coefficient, kind, statistic, measure, *interval]


def _like(doses: Sequence[Dose], dose: Dose) -> list[Dose]:
    """The random draws at the same layer and coefficient."""
    place = (dose.layer, dose.coefficient)
    return [one for one in doses if one.draw is not None and (one.layer, one.coefficient) == place]


def _flat(name: str, estimates: dict[str, Estimate | None]) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for measure, one in estimates.items():
        found |= {} if one is None else one.metrics(f"{name}_{measure}")
    return found


def _word(coefficient: float) -> str:
    """A coefficient inside a metric's name: minus_0_5."""
    return f"{coefficient:g}".replace("-", "minus_").replace(".", "_").replace("+", "")
