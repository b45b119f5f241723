"""Labels are drawn as they are written."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from assay.figures.labels import as_written


def drawn(text: str, *, parse_math: bool) -> np.ndarray:
    figure = Figure(figsize=(4, 1))
    canvas = FigureCanvasAgg(figure)
    figure.text(0.1, 0.5, text, parse_math=parse_math)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize(
    "text", ["costs $5 or $6", "$", "$$", "a $x_1^2$ b", r"\$5 and \$6", r"$\frac{$", "no dollar"]
)
def test_a_dollar_is_a_dollar(text: str) -> None:
    """Matplotlib with formulas switched off is the oracle."""
    assert np.array_equal(drawn(as_written(text), parse_math=True), drawn(text, parse_math=False))
