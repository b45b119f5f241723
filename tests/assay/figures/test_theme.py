import pandas as pd
import pytest

from assay.errors import AssayError
from assay.figures.panels import panels
from assay.figures.theme import COLOURS, GREY, colours_of, in_order, read_table, save_figure


def test_names_keep_their_order_and_colours():
    names = in_order(pd.Series(["b", "a", "b", "c"]))
    assert names == ["b", "a", "c"]
    assert colours_of(names) == dict(zip(names, COLOURS, strict=False))
    assert colours_of(names, grey=["a", "absent"]) == {"b": COLOURS[0], "a": GREY, "c": COLOURS[1]}


def test_many_names_still_differ():
    names = [str(number) for number in range(3 * len(COLOURS))]
    assert len(set(colours_of(names).values())) == len(names)


@pytest.mark.parametrize("text", ["costs $5 or $6", "$", "$$", "a $x_1^2$ b", r"$\frac{$"])
def test_a_dollar_is_a_dollar(text: str) -> None:
    figure, ((axes,),) = panels(1, 1, (2, 2))
    axes.set_title(text)
    axes.set_xticks([0], [text])
    figure.canvas.draw()
    assert not axes.title.get_parse_math()
    assert not axes.get_xticklabels()[0].get_parse_math()


def test_powers_are_numbers_not_formulas(tmp_path):
    from matplotlib.colors import LogNorm

    figure, ((axes,),) = panels(1, 1, (3, 3))
    image = axes.pcolormesh([[1e-3, 1.0], [10.0, 1e4]], norm=LogNorm(1e-3, 1e4))
    bar = figure.colorbar(image, ax=axes)
    axes.set_yscale("log")
    axes.set_ylim(0.01, 100)
    save_figure(figure, tmp_path / "x.png")
    shown = [label.get_text() for axis in (axes.yaxis, bar.ax.yaxis) for label in axis.get_ticklabels()]
    assert {"0.01", "1", "100"} <= set(shown)
    assert not any("$" in text for text in shown)


def test_the_same_figure_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        figure, ((axes,),) = panels(1, 1, (2, 2))
        axes.plot([0, 1], [1, 0])
        save_figure(figure, tmp_path / name / "x.png")
    assert (tmp_path / "a/x.png").read_bytes() == (tmp_path / "b/x.png").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*check the path"),
        ("a,b\n1,2\n", "column c is missing"),
        ("a,c\n", "lacks rows; run the stage that makes it"),
    ],
)
def test_a_table_that_cannot_be_drawn_is_named(tmp_path, content, message):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AssayError, match=message):
        read_table(path, ["a", "c"])


def test_a_name_stays_text_whatever_it_looks_like(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\n001,1,1e-05\n12,,2\n")
    table = read_table(path, ["a", "c"], names=("a",))
    assert table["a"].tolist() == ["001", "12"]
    assert table["c"].tolist() == [1e-05, 2.0]
    assert read_table(path, ["a"])["a"].tolist() == ["001", "12"]  # no number is written with zeros before it
