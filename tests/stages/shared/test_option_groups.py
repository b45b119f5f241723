from dataclasses import dataclass
from typing import Annotated

import pytest
from typer import Option, Typer
from typer.testing import CliRunner, Result

from stages.shared.option_groups import grouped_options


@dataclass(frozen=True)
class Size:
    wide: Annotated[int, Option(help="from side to side")]
    high: int = 2


@dataclass(frozen=True)
class Paint:
    colours: list[str] | None = None


def paint(size: Size, name: Annotated[str, Option()], paint: Paint, thick: bool = False) -> None:
    """Paint it."""
    print(size, name, paint, thick)


def invoke(words: str) -> Result:
    app = Typer()
    app.command()(grouped_options(paint))
    return CliRunner().invoke(app, words.split())


def test_the_fields_are_options_and_the_command_gets_the_groups() -> None:
    result = invoke("--wide 3 --name box --colours red --colours blue --thick")
    assert result.output == "Size(wide=3, high=2) box Paint(colours=['red', 'blue']) True\n"


def test_what_has_no_default_is_required_and_help_is_kept() -> None:
    assert "Missing option '--wide'" in invoke("--name box").output
    shown = invoke("--help").output
    assert "from side to side" in shown
    assert "Paint it." in shown


def test_two_groups_with_one_name_are_refused() -> None:
    def clash(size: Size, wide: int) -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'wide'"):
        grouped_options(clash)
