from pathlib import Path

import pytest

from tools.metrics_table import Number, read_metrics
from tools.readme import fill

ROOT = Path(__file__).parents[2]


def test_marked_numbers_are_replaced_and_the_rest_is_left():
    metrics = {("metrics/a/b.json", "x"): Number(0.12345, 0.1, 0.2), ("metrics/a/b.json", "n"): Number(12)}
    text = "x is <!--m a/b x-->old<!--/m-->, n is <!--m a/b n--><!--/m-->; 3.14 stays"
    filled = fill(text, metrics)
    assert (
        filled
        == "x is <!--m a/b x-->0.123 [0.100, 0.200]<!--/m-->, n is <!--m a/b n-->12<!--/m-->; 3.14 stays"
    )
    assert fill(filled, metrics) == filled


def test_an_unknown_number_is_named():
    with pytest.raises(SystemExit, match=r"marks y.*metrics/a/b\.json"):
        fill("<!--m a/b y--><!--/m-->", {})


def test_the_readme_shows_the_committed_metrics():
    text = (ROOT / "README.md").read_text("utf-8")
    assert "<!--m " in text
    assert fill(text, read_metrics(ROOT, None)) == text
