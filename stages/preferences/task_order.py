"""In which order tasks are numbered: the first one's utility is pinned, and the order seeds the selection of pairs."""

from pathlib import Path

import typer

from assay.errors import AssayError
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.utility_files import read_utilities


def in_task_order(comparisons: Comparisons, measurements: Path, tasks: Path | None) -> Comparisons:
    """Number tasks as a utilities CSV lists them; says on stderr which file that was.

    Without `tasks` it is the one `thurstonian*.csv` beside the measurements, as in published run folders; without any such file
    tasks keep the order in which they occur first. Raises AssayError where several could be meant, and where the one beside
    them lists tasks that were never compared: it is another run's.
    """
    if tasks is None:
        beside = sorted(measurements.parent.glob("thurstonian*.csv"))
        if len(beside) > 1:
            names = ", ".join(path.name for path in beside)
            raise AssayError(
                f"several files beside {measurements} list tasks: {names}; choose one with --tasks"
            )
        if not beside:
            typer.echo("tasks in the order in which they occur first", err=True)
            return comparisons
        tasks = beside[0]
        if others := [task for task in read_utilities(tasks).ids if task not in set(comparisons.ids)]:
            raise AssayError(
                f"{tasks} beside the choices lists {len(others)} tasks that were never compared (first: {others[0][:80]!r}); "
                f"move it away, or give --tasks {tasks} if it is the order of tasks"
            )
    typer.echo(f"tasks in the order of {tasks}", err=True)
    return comparisons.reordered(read_utilities(tasks).ids)
