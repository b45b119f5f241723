import numpy as np
import pandas as pd
import pytest

from assay.figures.bars import draw_bars, side_by_side, span, write_values
from assay.figures.panels import panels

PART = pd.DataFrame({"value": [0.5, 0.0], "lower": [0.25, 0.0], "upper": [0.75, 0.5]})


@pytest.fixture
def axes():
    figure, ((made,),) = panels(1, 1, (3, 3))
    yield made
    figure.clear()


def test_bars_have_their_heights_and_their_intervals(axes):
    draw_bars(axes, [0, 1], PART, 0.5, colour=["red", "blue"], label="some")
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.0]
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in axes.patches], [0, 1])
    (whiskers,) = axes.collections
    assert [segment[:, 1].tolist() for segment in whiskers.get_segments()] == [[0.25, 0.75], [0.0, 0.5]]


def test_a_bar_of_no_height_is_a_line_of_its_colour(axes):
    draw_bars(axes, [0, 1], PART, 0.5, colour=["red", "blue"])
    empty = axes.patches[1]
    assert empty.get_edgecolor() == (0, 0, 1, 1)
    assert empty.get_linewidth() > 1


def test_values_are_written_above_their_intervals(axes):
    write_values(axes, [0, 1], PART)
    assert [(text.get_text(), text.xy) for text in axes.texts] == [("0.50", (0, 0.75)), ("0.00", (1, 0.5))]


def test_bars_of_a_group_lie_around_its_middle():
    assert side_by_side(3, 0.2).tolist() == pytest.approx([-0.2, 0.0, 0.2])
    assert side_by_side(2, 0.4).tolist() == pytest.approx([-0.2, 0.2])


def test_limits_hold_zero_and_every_interval():
    assert span(PART) == pytest.approx((-0.0375, 0.7875))  # 0 to 0.75, and a twentieth of it
    assert span(-PART.rename(columns={"lower": "upper", "upper": "lower"})) == pytest.approx(
        (-0.7875, 0.0375)
    )
