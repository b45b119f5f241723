"""What all figures share: seaborn's theme without a display, and files whose bytes depend on the numbers alone."""

from pathlib import Path
from typing import Any

from assay.files import atomic_path

GREY, POSITIVE, NEGATIVE = "#8a8a8a", "#2b6cb0", "#c0392b"


def theme() -> Any:
    """pyplot, ready to draw to files."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="notebook", style="ticks")
    return plt


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG, whole or not at all, and close the figure."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.despine(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    plt.close(figure)
