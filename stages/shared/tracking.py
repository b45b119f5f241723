"""Optional logging to Weights & Biases or DVCLive. Neither library is imported unless asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.errors import AssayError

if TYPE_CHECKING:
    import pandas as pd

Tracking = Literal["none", "wandb", "dvclive"]


def track(
    tracking: Tracking, table: "pd.DataFrame", *, name: str, settings: Mapping[str, Any], folder: Path
) -> None:
    """Log a table whose column `layer` is the step: nothing, a W&B run in group `name`, or DVCLive files in `folder`.

    The reported metrics stay the stage's own files; this is a second view of them for who watches sweeps elsewhere.
    """
    if tracking == "wandb":
        _wandb(table, name, settings)
    elif tracking == "dvclive":
        _dvclive(table, settings, folder)


def _steps(table: "pd.DataFrame") -> list[tuple[int, dict[str, float]]]:
    rows = table.to_dict(orient="records")
    return [(int(row["layer"]), {str(k): float(v) for k, v in row.items() if k != "layer"}) for row in rows]


def _wandb(table: "pd.DataFrame", name: str, settings: Mapping[str, Any]) -> None:
    try:
        import wandb
    except ImportError as error:
        raise AssayError("tracking `wandb` needs the library: pip install 'assay[tracking]'") from error
    with wandb.init(project="assay", group=name, config=dict(settings)) as run:
        for layer, values in _steps(table):
            run.log(values, step=layer)


def _dvclive(table: "pd.DataFrame", settings: Mapping[str, Any], folder: Path) -> None:
    try:
        from dvclive.live import Live
    except ImportError as error:
        raise AssayError("tracking `dvclive` needs the library: pip install 'assay[tracking]'") from error
    # By default Live edits the root dvc.yaml and saves an experiment; a stage must do neither.
    with Live(dir=str(folder), dvcyaml=None, save_dvc_exp=False, report=None) as live:
        live.log_params(dict(settings))
        for layer, values in _steps(table):
            live.step = layer
            for key, value in values.items():
                live.log_metric(key, value)
            live.make_summary()
