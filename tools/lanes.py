"""The pipeline with several stages at a time: DVC runs one after another, and most of ours keep one core busy.

Each stage that has changed is a `dvc repro --single-item` of its own, begun when everything it needs is there.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.errors import AssayError
from stages.shared.cli import run
from tools.up_to_date import SENTENCE

if TYPE_CHECKING:
    from dvc.stage import Stage

app = typer.Typer(add_completion=False)
GPU = Path("/dev/nvidia0")
PASSIVE = {"OMP_WAIT_POLICY": "passive"}
"""Idle threads of matrix products sleep. By default they spin, and take the core of the other stage. No sum depends on it, as it does on
the number of threads, which stays that of `dvc repro`."""


@app.command()
def lanes(
    count: Annotated[
        int, typer.Option(help="stages at a time; 0: two, or one beside a GPU or on one core", min=0, max=64)
    ] = 0,
) -> None:
    """Run what `dvc repro` would run, several stages at a time."""
    for stop in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # also where a shell started this in the background, deaf to the first
        signal.signal(stop, signal.default_int_handler)
    ran = reproduce(count or default_count())
    typer.echo(f"{len(ran)} stages ran." if ran else SENTENCE)


def default_count() -> int:
    """Two, or one where there is one core, or a GPU whose memory two models would share."""
    return 1 if GPU.exists() else min(2, os.cpu_count() or 1)


def reproduce(count: int) -> list[str]:
    """Bring the pipeline of the working directory up to date; the names of the stages that ran, in the order in which they ended.

    Raises AssayError for a stage that failed, once those beside it have ended; no other is begun.
    """
    stages, needs = read_graph()
    order = TopologicalSorter(needs)
    order.prepare()
    ready: list[str] = []
    ran: list[str] = []
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(count) as pool, Lane().stopped_on_interrupt() as lane:
        while order.is_active():
            ready.extend(order.get_ready())
            if ready and len(running) < count:
                name = ready.pop(0)
                if is_changed(stages[name]):
                    running[pool.submit(lane.run, name)] = name
                else:
                    order.done(name)
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                future.result()
                order.done(name)
                ran.append(name)
    return ran


def read_graph() -> "tuple[dict[str, Stage], dict[str, list[str]]]":
    """What the root's dvc.yaml leads to: stages by the name that DVC gives them, and the names that each one needs."""
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro

    repo = Repo()
    graph = repo.index.graph
    planned = plan_repro(graph, list(repo.stage.collect("dvc.yaml")))
    needs = {stage.addressing: [need.addressing for need in graph.successors(stage)] for stage in planned}
    return {stage.addressing: stage for stage in planned}, needs


def is_changed(stage: "Stage") -> bool:
    """Whether DVC would run it. Its own check also writes every path into its lock file, twice."""
    if stage.is_callback or stage.always_changed or stage.changed_stage():
        return True
    return any(entry.status() for entry in (*([] if stage.frozen else stage.deps), *stage.outs))


class Lane:
    """Runs stages as processes, in any thread, with their lines on stdout behind their names."""

    def __init__(self) -> None:
        self.processes: set[subprocess.Popen[str]] = set()

    def run(self, name: str) -> None:
        """Run a stage and what DVC does around it. Raises AssayError where it fails."""
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
        with subprocess.Popen(
            command,
            env={**PASSIVE, **os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            self.processes.add(process)
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip():
                    sys.stdout.write(f"{short(name)}: {line.rstrip()}\n")
                    sys.stdout.flush()
        self.processes.discard(process)
        if process.returncode:
            raise AssayError(f"stage {name} failed; what it said stands above")

    @contextmanager
    def stopped_on_interrupt(self) -> "Iterator[Lane]":
        """Within this an interrupt reaches the stages too, each with its processes."""
        try:
            yield self
        except KeyboardInterrupt:
            for process in list(self.processes):
                os.killpg(process.pid, signal.SIGINT)
            raise


def short(name: str) -> str:
    """`oocr prepare@standard` for `stages/oocr/dvc.yaml:prepare@standard`."""
    return name.removeprefix("stages/").replace("/dvc.yaml:", " ")


if __name__ == "__main__":
    run(app)
