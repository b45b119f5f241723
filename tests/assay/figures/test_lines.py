import pandas as pd
import pytest

from assay.figures.lines import draw_across, draw_line
from assay.figures.panels import panels, whole_numbers


@pytest.fixture
def axes():
    figure, ((made,),) = panels(1, 1, (3, 3))
    yield made
    figure.clear()


def test_a_line_lies_in_its_band(axes):
    places, values = pd.Series([0, 1, 2]), pd.Series([0.1, 0.2, 0.4])
    draw_line(axes, places, values, (values - 0.1, values + 0.1), colour="red", label="r", style=":")
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[0, 0.1], [1, 0.2], [2, 0.4]]
    assert (line.get_label(), line.get_linestyle(), line.get_marker()) == ("r", ":", "o")
    corners = {tuple(point) for point in axes.collections[0].get_paths()[0].vertices.round(6).tolist()}
    assert {(0, 0), (1, 0.1), (2, 0.3), (0, 0.2), (1, 0.3), (2, 0.5)} == corners


def test_what_has_no_place_is_dashed_across(axes):
    draw_across(axes, 0.3, (0.2, 0.4), colour="blue", label="text")
    (line,) = axes.lines
    assert (line.get_linestyle(), set(line.get_ydata())) == ("--", {0.3})
    assert (axes.patches[0].get_y(), axes.patches[0].get_height()) == pytest.approx((0.2, 0.2))


def test_layers_are_whole_numbers(axes):
    axes.plot([0, 1, 2], [0, 1, 2])
    whole_numbers(axes)
    assert all(tick == int(tick) for tick in axes.get_xticks())
