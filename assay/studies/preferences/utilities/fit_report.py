"""A fit of utilities as flat metrics, and its calibration as a table."""

import numpy as np
import pandas as pd

from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.goodness import Calibration, Goodness
from assay.studies.preferences.utilities.thurstone import Utilities


def fit_metrics(comparisons: Comparisons, utilities: Utilities, goodness: Goodness) -> dict[str, float | int]:
    """What was fitted, how the optimiser ended and how well it describes the choices, as flat metrics.

    `median_error` is left out where no task has a standard error, `agreement` where no two pairs were answered twice.
    """
    known = utilities.mu_se[np.isfinite(utilities.mu_se)]
    return {
        "tasks": len(utilities.ids),
        "choices": int(comparisons.answers.sum()),
        "refusals": int(comparisons.refusals.sum()),
        "objective": utilities.objective,
        "nll": utilities.nll,
        "penalty": utilities.penalty,
        "iterations": utilities.iterations,
        "evaluations": utilities.evaluations,
        "gradient_norm": utilities.gradient_norm,
        "projected_gradient": utilities.projected_gradient,
        "converged": int(utilities.converged),
        "tasks_at_bound": utilities.at_bound,
        "tasks_without_error": len(utilities.ids) - len(known),
        **({"median_error": float(np.median(known))} if len(known) else {}),
        **({} if goodness.agreement is None else goodness.agreement.metrics("agreement")),
        **goodness.accuracy.metrics("accuracy"),
        **goodness.likelihood_gain.metrics("likelihood_gain"),
        **goodness.first_share.metrics("first_share"),
        "deviance": goodness.deviance,
        "calibration_chi_square": goodness.calibration.chi_square,
        "calibration_p": goodness.calibration.p_value,
        "calibration_error": goodness.calibration.error,
    }


def calibration_table(calibration: Calibration) -> pd.DataFrame:
    """Bins that hold a choice: from, to, choices, and the expected and observed share of the task shown first."""
    table = pd.DataFrame(
        {
            "from": calibration.edges[:-1].round(6),
            "to": calibration.edges[1:].round(6),
            "choices": calibration.choices,
            "expected": calibration.expected,
            "observed": calibration.observed,
        }
    )
    table = table[table["choices"] > 0]
    return table.assign(
        expected=(table["expected"] / table["choices"]).round(6),
        observed=(table["observed"] / table["choices"]).round(6),
    )
