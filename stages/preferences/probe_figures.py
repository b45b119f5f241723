"""Figures of the probe study, each as PNG and as the CSV that it shows."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FOLDER

app = typer.Typer(add_completion=False)


@app.command()
def probe_figures(
    table: Annotated[Path, typer.Option(help="table of layers that the probe stage wrote")],
    topic_table: Annotated[Path, typer.Option(help="its table of held-out topics")],
    utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu, sigma")],
    topics: Annotated[Path, typer.Option(help="JSON or CSV: the topic of every task")],
    out: Annotated[
        Path,
        typer.Option(
            help="folder for probe_bars, probe_topics, probe_layers, topic_means", rich_help_panel=FOLDER
        ),
    ],
) -> None:
    """Draw feature sets compared, r by topic, r by layer, and the mean utility of every topic."""
    import numpy as np

    from assay.figures.saved import save_with_table
    from assay.figures.theme import read_table
    from assay.studies.preferences.probing import figures
    from assay.studies.preferences.utilities.topics import read_topics
    from assay.studies.preferences.utilities.utility_files import read_utilities

    layers = read_table(table, figures.LAYERS, names=("features",))
    needed = ["features", "topics", "r", "r_lo", "r_hi", "r_n"]
    by_topic = read_table(topic_table, needed, names=needed[:2])
    measured, taxonomy = read_utilities(utilities), read_topics(topics)
    known = np.array([task in taxonomy.of for task in measured.ids])
    names = [taxonomy.of[task] for task in measured.ids if task in taxonomy.of]
    drawings = {
        "probe_bars": (figures.bars_table(layers), figures.draw_feature_sets),
        "probe_topics": (by_topic, figures.draw_topics),
        "probe_layers": (figures.layers_table(layers), figures.draw_layers),
        "topic_means": (figures.topic_means_table(measured.mu[known], names), figures.draw_topic_means),
    }
    for name, (shown, draw) in drawings.items():
        save_with_table(shown, draw, out / f"{name}.png")


if __name__ == "__main__":
    run(app)
