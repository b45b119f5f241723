"""The shell of all pages: what they share, what may run and load, and what a page must say."""

import base64
import hashlib
import re
from html import unescape
from importlib.resources import files

import pytest
from jinja2 import UndefinedError

from assay.pages.index import render_index
from assay.pages.shell import render_page

CONTEXTS = {"package": "assay.pages", "template": "contexts.html", "style": "contexts.css"}
VALUES = {
    "title": "t", "model": "m", "place": "p", "n_tokens": "1", "low": "0", "high": "1", "middle": "0", "parts": [],
    "data": {"shades": []},
}  # fmt: skip


def policy(page: str) -> dict[str, str]:
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert found
    parts = (part.strip().partition(" ") for part in unescape(found[1]).split(";"))
    return {name: value for name, _, value in parts}


def digest(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def inline(page: str, tag: str) -> str:
    (found,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return str(found)


def test_only_the_pages_own_style_and_script_are_allowed():
    page = render_page(**CONTEXTS, script="contexts.js", values=VALUES)
    allowed = policy(page)
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == "'none'"
    assert allowed["style-src"] == digest(inline(page, "style"))
    assert allowed["script-src"] == digest(inline(page, "script"))
    assert "img-src" not in allowed


def test_style_and_script_follow_what_all_pages_share():
    page = render_page(**CONTEXTS, script="contexts.js", values=VALUES)
    shared, own = (
        files("assay.pages").joinpath(name).read_text("utf-8") for name in ("common.css", "contexts.css")
    )
    assert inline(page, "style") == shared + own
    assert inline(page, "script").startswith('"use strict";')


def test_a_page_without_a_script_runs_none_and_may_show_pictures():
    page = render_index([])
    allowed = policy(page)
    assert "<script" not in page
    assert "script-src" not in allowed
    assert allowed["img-src"] == "'self' file:"


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="title"):
        render_page(**CONTEXTS, values={name: value for name, value in VALUES.items() if name != "title"})


def test_values_are_escaped_also_in_the_title():
    page = render_page(**CONTEXTS, values=VALUES | {"title": "</title><script>alert(1)</script>"})
    assert "<script" not in page
    assert page.count("</title>") == 1
