"""The page of a direction: the tokens of a text where it is strongest, each with the tokens around it coloured."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.directions.contexts import Context, Scan
from assay.pages.shell import render_page


def render_contexts(scan: Scan, *, title: str, place: str, model: str) -> str:
    """The page as HTML. `title` names the direction and `place` where it is read ("resid, layer 18").

    Colours begin at the median projection of the scan's sample, because projections need not be spread around zero.
    """
    middle = float(np.median(scan.sample[:, 0]))
    shown = [context.projections for context in (*scan.top, *scan.bottom)]
    widest = max(float(np.abs(np.concatenate(shown) - middle).max()), 1e-12)
    return render_page(
        __package__,
        "contexts.html",
        style="contexts.css",
        script="contexts.js",
        values={
            "title": title,
            "place": place,
            "model": model,
            "n_tokens": f"{scan.n_tokens:,}",
            "middle": f"{middle:.3g}",
            "low": f"{middle - widest:.3g}",
            "high": f"{middle + widest:.3g}",
            "parts": [
                {"name": "Highest projections", "contexts": [_shown(c) for c in scan.top]},
                {"name": "Lowest projections", "contexts": [_shown(c) for c in scan.bottom]},
            ],
            "data": {"shades": [_shades(values, middle, widest) for values in shown]},
        },
    )


def _shown(context: Context) -> dict[str, Any]:
    pieces = zip(context.pieces, context.projections, strict=True)
    return {
        "document": context.document,
        "projection": f"{context.projection:.3f}",
        "norm": f"{context.norm:.3f}",
        "share": f"{context.projection / max(context.norm, 1e-12):.2f}",
        "centre": context.centre,
        "tokens": [{"text": text, "value": f"{value:.3f}"} for text, value in pieces],
    }


def _shades(values: NDArray[np.float64], middle: float, widest: float) -> Sequence[int]:
    """Whole per cents from −100 (far below the middle) to 100."""
    shades: list[int] = np.round(100 * (values - middle) / widest).astype(int).tolist()
    return shades
