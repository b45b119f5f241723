"""Take the plotting JavaScript out of an installed package, so that `dvc plots` pages work without internet."""

from pathlib import Path
from typing import Annotated

import typer

from assay.storage.files import write_text


def offline_plots(
    out: Annotated[Path, typer.Option(help="Where .dvc/plots/offline.html looks for it.")] = Path(
        ".dvc/plots/vega.js"
    ),
) -> None:
    """Write vega, vega-lite and vega-embed as one classic script that defines `vegaEmbed` for the page."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # The bundle is written as a module: its many top-level names would become globals of the page. As a module it
    # would also load after the page's inline calls. A function around it cures both.
    write_text(out, f"(() => {{\n{bundle}\n}})();\n")


if __name__ == "__main__":
    typer.run(offline_plots)
