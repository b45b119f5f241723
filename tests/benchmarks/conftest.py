"""The table that a benchmark run prints at its end. Ratios are targets to look at, never assertions."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from benchmarks.workload import Workload, make_workload


@dataclass(frozen=True)
class Row:
    """One measured number. `target` is what the issue asks for, None where it only informs."""

    what: str
    value: float
    unit: str
    target: float | None
    detail: str

    @property
    def verdict(self) -> str:
        """Whether the target is met; memory growth has to stay below its target, everything else above."""
        if self.target is None:
            return ""
        met = self.value <= self.target if self.unit == "growth" else self.value >= self.target
        return f"{'met' if met else 'MISSED'} ({'≤' if self.unit == 'growth' else '≥'} {self.target})"


ROWS: list[Row] = []


class Report:
    """Collects what benchmarks measured."""

    def add(self, what: str, value: float, unit: str, target: float | None = None, detail: str = "") -> None:
        """Add a row to the table."""
        ROWS.append(Row(what, value, unit, target, detail))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-out", default=None, help="also write the table to this JSON file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    write = terminalreporter.write_line
    write("\n| what | value | unit | target | detail |\n|---|---|---|---|---|")
    for row in ROWS:
        write(f"| {row.what} | {row.value:.3g} | {row.unit} | {row.verdict} | {row.detail} |")
    if config.getoption("--bench-out"):
        Path(config.getoption("--bench-out")).write_text(json.dumps([asdict(row) for row in ROWS], indent=2))


@pytest.fixture(scope="session")
def report() -> Report:
    return Report()


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """A random Gemma 3 of about 100 M parameters, and real texts."""
    return make_workload(tmp_path_factory.mktemp("workload"))
