import pandas as pd
import pytest

from assay.figures.panels import panels
from assay.figures.scatter import draw_fit, draw_points, draw_projections, r_label


@pytest.fixture
def axes():
    figure, ((made,),) = panels(1, 1, (3, 3))
    yield made
    figure.clear()


def test_every_point_is_drawn(axes):
    draw_points(axes, pd.Series([1.0, 2.0]), pd.Series([3.0, 5.0]), colour="red", label="two")
    assert axes.collections[0].get_offsets().tolist() == [[1, 3], [2, 5]]


def test_the_fitted_line_is_named_with_its_correlation(axes):
    x = pd.Series([0.0, 1.0, 2.0])
    draw_fit(axes, x, 1 - 2 * x, style="--", name="all")
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([1, -3])
    assert axes.lines[0].get_label() == "all: r = −1.00"


@pytest.mark.parametrize("x", [[1.0, 2.0], [1.0, 1.0, 1.0]])
def test_too_few_or_equal_points_have_no_line(axes, x):
    draw_fit(axes, pd.Series(x), pd.Series(range(len(x)), dtype=float), style="-", name="all")
    assert not axes.lines


def test_a_correlation_of_nothing_has_no_sign():
    x, y = pd.Series([0.0, 1.0, 2.0, 3.0]), pd.Series([1.0, 0.0, 0.0, 0.99])
    assert x.corr(y) == pytest.approx(-0.0077, abs=1e-3)
    assert r_label(x, y) == "r = −0.01"
    assert r_label(x, pd.Series([1.0, 0.0, 0.0, 0.999])) == "r = 0.00"


def test_projections_are_a_png(tmp_path):
    points = pd.DataFrame({"projection": [-1.0, 0.0, 2.0], "norm": [1.0, 2.0, 300.0]})
    draw_projections(points, tmp_path / "p.png", title="a direction")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
