"""A stage's command line, run in this process."""

import sys
from importlib import import_module

from stages.shared.cli import run


def run_stage(name: str, *arguments: object) -> int:
    """Run `python -m stages.<name> arguments` in this process; the exit status."""
    module = import_module(f"stages.{name}")
    before, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        run(module.app)
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0
