"""One page from a template, its style and its script, in the shell that all pages share."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

SHELL = "base.html"  # the template that every other one extends


def render_page(
    package: str,
    template: str,
    *,
    style: str,
    values: Mapping[str, Any],
    script: str | None = None,
    pictures: bool = False,
) -> str:
    """The page of files that lie in `package`, named in full; a value that the template misses is an error.

    The template extends base.html and fills its blocks; `style` and `script` follow what all pages share (colours, fonts,
    controls; keys). A page with a script has the value `data`, which the script reads. With `pictures` the page may show
    images that lie beside it.
    """
    css = _read(__package__, "common.css") + _read(package, style)
    code = _read(__package__, "common.js") + _read(package, script) if script else ""
    environment = Environment(
        loader=FunctionLoader(lambda name: _read(__package__ if name == SHELL else package, name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    allowed = [f"style-src '{_source(css)}'", f"script-src '{_source(code)}'" if code else ""]
    allowed += ["img-src 'self' file:" if pictures else "", "base-uri 'none'", "form-action 'none'"]
    policy = "; ".join(["default-src 'none'", *filter(None, allowed)])
    page: str = environment.get_template(template).render(
        **values, policy=policy, style=Markup(css), script=Markup(code)
    )
    return page


def _read(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")


def _source(code: str) -> str:
    """The hash by which a content security policy allows exactly this inline code."""
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
