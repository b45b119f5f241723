"""The page of contexts: escaped, self-contained, with the numbers that it colours by."""

import json
import re

import numpy as np

from assay.directions.contexts import Context, Scan
from assay.pages.contexts import render_contexts

HOSTILE = ('<b id="x">', "</script><script>alert(1)</script>", " & ", "{{ 7 * 7 }}", "\n")


def context(projections: list[float], centre: int, document: str = "d<i>") -> Context:
    pieces = HOSTILE[: len(projections)]
    values = np.array(projections)
    return Context(document, 0, 5, float(values[centre]), 10.0, pieces, values, centre)


def page() -> str:
    top, bottom = context([1.0, 9.0, 3.0, 2.0, 1.0], 1), context([2.0, -1.0], 1)
    scan = Scan([top], [bottom], np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]]), 1234, 9)
    return render_contexts(scan, title="<u>direction</u>", place="resid, layer 3", model="<s>model</s>")


def test_everything_from_outside_is_escaped() -> None:
    html = page()
    assert html.count("<script") == 2  # the data and the page's own
    for tag in ("<b id", "<i>", "<u>", "<s>"):
        assert tag not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "1,234 tokens" in html


def test_shades_begin_at_the_median() -> None:
    html = page()
    found = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    # the median is 2, the farthest projection 9: 7 away
    expected = [[-14, 100, 14, 0, -14], [0, -43]]
    assert json.loads(found[1])["shades"] == expected
    assert html.count('class="t') == 7
    assert len(re.findall(r'class="t centre', html)) == 2
    assert "(cosine 0.90)" in html


def test_equal_projections_are_white() -> None:
    flat = context([2.0, 2.0], 0)
    html = render_contexts(Scan([flat], [flat], np.full((3, 2), 2.0), 3, 0), title="t", place="p", model="m")
    assert '"shades": [[0, 0], [0, 0]]' in html
