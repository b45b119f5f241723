"""Options that belong together are one dataclass, and the command takes that."""

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any


def grouped_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of each dataclass among its arguments as options of their own.

    `def f(size: Size)` with `class Size: wide: Annotated[int, Option()]; high: int = 1` has --wide and --high on its
    command line, and gets `Size(wide, high)`. Stands below `@app.command()`. Names must differ between groups.
    """
    own = signature(command, eval_str=True).parameters
    groups = {
        name: p.annotation
        for name, p in own.items()
        if isinstance(p.annotation, type) and is_dataclass(p.annotation)
    }
    fields = {name: signature(group, eval_str=True).parameters for name, group in groups.items()}

    @wraps(command)
    def run_command(**given: object) -> None:
        made = {name: groups[name](**{f: given.pop(f) for f in fields[name]}) for name in groups}
        command(**made, **given)

    options = [p for name in own for p in (fields[name].values() if name in fields else [own[name]])]
    shown = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in options]
    members: dict[str, Any] = vars(run_command)
    members["__signature__"] = Signature(shown)  # raises ValueError for a name that two groups have
    run_command.__annotations__ = {p.name: p.annotation for p in shown}
    return run_command
