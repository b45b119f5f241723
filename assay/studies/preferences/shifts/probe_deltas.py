"""What a probe says under each system prompt: its change against the neutral prompt, and its scores beside utilities."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from assay.activations.store import ActivationStore
from assay.arrays import Floats
from assay.errors import AssayError
from assay.models.same_model import require_same_model
from assay.probes.files import ProbeInfo
from assay.probes.linear import Probe, UtilityProbe
from assay.prompts.records import PromptRecord
from assay.studies.preferences.shifts.condition_counts import ConditionChoices
from assay.studies.preferences.shifts.conditions import BASELINE
from assay.studies.preferences.utilities.thurstone import fit_thurstone

TRUTH = "truth"
DELTA_COLUMNS = ("condition_id", "task_id", "probe_delta", "layer", "truth", "kind", "trained", "score")


def scores_of_layers(
    store: ActivationStore,
    probes: Mapping[int, Probe] | Mapping[int, UtilityProbe],
    info: ProbeInfo,
    ids: Sequence[str],
    layers: Mapping[str, int],
) -> dict[str, Floats]:
    """Utilities [ids] that the probe of each named layer reads from the store.

    Raises AssayError where probes and store are of another pin, site or position, and where a layer has no utility probe.
    """
    made = store.header
    require_same_model("this probe file", info.pin, made.pin_fingerprint, wanted_alias=made.pin_alias)
    for name in ("site", "position"):
        if getattr(made, name) != getattr(info, name):
            raise AssayError(f"{store.path} and the probes differ in {name}; extract or fit again")
    rows = store.rows_of_ids(ids)
    scores = {}
    for name, layer in layers.items():
        probe = probes.get(layer)
        if not isinstance(probe, UtilityProbe):
            raise AssayError(f"there is no utility probe of layer {layer}; fit the probes with this layer")
        scores[name] = probe.predict(store.read(layer, rows))
    return scores


def probe_deltas(records: Sequence[PromptRecord], scores: Mapping[str, Floats]) -> pd.DataFrame:
    """One row for each named layer and record under another prompt than the neutral one, `DELTA_COLUMNS`.

    `records` hold condition_id, task_id, kind, trained and, where it is known, truth; `scores` [records] of every layer. `probe_delta` is the
    score less that of the same task under the neutral prompt, `truth` the sign of the record's, and no column without one. Raises AssayError for a task
    without a neutral prompt.
    """
    table = pd.DataFrame([{"id": record.id, **record.fields} for record in records])
    frames = [_from_neutral(table.assign(score=values, layer=name)) for name, values in scores.items()]
    return pd.concat(frames)[[name for name in DELTA_COLUMNS if name != TRUTH or name in table]]


def condition_utilities(counts: ConditionChoices, default: Mapping[str, float]) -> pd.DataFrame:
    """Columns condition_id, task_id, mu (fitted to the choices under the condition) and default_mu."""
    rows = []
    for condition in counts.conditions:
        if condition == BASELINE:
            continue
        found = fit_thurstone(counts.comparisons(condition))
        rows += [
            {"condition_id": condition, "task_id": task, "mu": mu, "default_mu": default[task]}
            for task, mu in zip(found.ids, found.mu.tolist(), strict=True)
            if task in default
        ]
    return pd.DataFrame(rows, columns=["condition_id", "task_id", "mu", "default_mu"])


def beside_scores(utilities: pd.DataFrame, deltas: pd.DataFrame, layer: str) -> pd.DataFrame:
    """`condition_utilities` that have a score of this layer among `probe_deltas`, with the column `score`.

    Raises AssayError when there are none.
    """
    scores = deltas[deltas["layer"] == layer][["condition_id", "task_id", "score"]]
    joined = utilities.merge(scores, on=["condition_id", "task_id"])
    if joined.empty:
        raise AssayError(
            "the choices and the prompts have no condition and task in common; make both of the same inputs"
        )
    return joined


def _from_neutral(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the other conditions, with `probe_delta` from the neutral one and the sign of their truth."""
    neutral = table[table["condition_id"] == BASELINE].set_index("task_id")["score"]
    own = table[table["condition_id"] != BASELINE]
    if missing := sorted(set(own["task_id"]) - set(neutral.index)):
        raise AssayError(f"task {missing[0]!r} has no prompt under {BASELINE!r}; add it to the prompts")
    moved = own.assign(probe_delta=own["score"].to_numpy() - neutral[own["task_id"]].to_numpy())
    return moved.assign(truth=np.sign(own[TRUTH]).astype(int)) if TRUTH in own else moved
