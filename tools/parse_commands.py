"""Parse command lines in the Typer apps of their modules, without running them.

Reads [[name, module, [argument, …]], …] as JSON from standard input and writes the problems, a JSON list of strings.
A process of its own, so that the modules come from the tree on its path and leave nothing behind in the caller.
"""

import importlib
import json
import sys

import typer.main
from typer.exceptions import TyperException


def main() -> None:
    """Read commands, write problems."""
    commands: list[tuple[str, str, list[str]]] = json.load(sys.stdin)
    json.dump([problem for command in commands for problem in problems(*command)], sys.stdout)


def problems(name: str, module: str, arguments: list[str]) -> list[str]:
    """What is wrong with one command line; an empty list when it parses."""
    torch_was_here = "torch" in sys.modules
    try:
        app = importlib.import_module(module).app
    except (ImportError, AttributeError) as error:
        return [f"{name}: {module} cannot be loaded as a stage: {error}"]
    if "torch" in sys.modules and not torch_was_here:
        return [
            f"{name}: importing {module} imports torch; import it inside the function, so that --help stays fast"
        ]
    try:
        typer.main.get_command(app).make_context(module, list(arguments))
    except TyperException as error:
        return [f"{name}: {module} does not accept its command line: {error.format_message()}"]
    return []


if __name__ == "__main__":
    main()
