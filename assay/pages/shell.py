"""One page from a template, its style and its script."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def render_page(package: str, template: str, *, style: str, script: str, values: Mapping[str, Any]) -> str:
    """The page of three files that lie in `package`, named in full; a value that the template misses is an error."""
    css, code = (files(package).joinpath(name).read_text("utf-8") for name in (style, script))
    environment = Environment(
        loader=FunctionLoader(lambda name: files(package).joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    policy = f"default-src 'none'; style-src '{_source(css)}'; script-src '{_source(code)}'; base-uri 'none'; form-action 'none'"
    page: str = environment.get_template(template).render(
        **values, policy=policy, style=Markup(css), script=Markup(code)
    )
    return page


def _source(code: str) -> str:
    """The hash by which a content security policy allows exactly this inline code."""
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
