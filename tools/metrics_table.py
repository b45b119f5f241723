"""The metrics of two states of the repository side by side, each estimate with its interval in one cell."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

Scalar = float | int | bool | str


@dataclass(frozen=True)
class Number:
    """One metric: a value and, for an estimate, the bounds of its interval."""

    value: Scalar
    lower: float | None = None
    upper: float | None = None

    def __str__(self) -> str:
        """Five significant digits, the interval in brackets."""
        if self.lower is None or self.upper is None:
            return _digits(self.value)
        return f"{_digits(self.value)} [{_digits(self.lower)}, {_digits(self.upper)}]"

    def differs(self, other: "Number", tolerance: float) -> bool:
        """Is any of the three numbers off by more than `tolerance`, relative to the larger?"""
        mine, its = (self.value, self.lower, self.upper), (other.value, other.lower, other.upper)
        return any(_off(a, b, tolerance) for a, b in zip(mine, its, strict=True))

    def apart(self, other: "Number") -> bool:
        """Do two estimates have intervals that do not overlap? False where one has no interval."""
        if self.lower is None or self.upper is None or other.lower is None or other.upper is None:
            return False
        return self.lower > other.upper or other.lower > self.upper


@dataclass(frozen=True)
class Change:
    """A metric before and after; None where it did not exist."""

    file: str
    name: str
    before: Number | None
    after: Number | None

    @property
    def crosses(self) -> bool:
        """The number is gone, or its old and its new interval do not overlap."""
        return self.after is None or (self.before is not None and self.before.apart(self.after))

    @property
    def shift(self) -> float | None:
        """How far an estimate's value moved, as a share of the width that its interval had; None for other numbers."""
        old, new = self.before, self.after
        if old is None or new is None or old.lower is None or old.upper is None:
            return None
        moved, width = abs(float(new.value) - float(old.value)), old.upper - old.lower
        return moved / width if width else (inf if moved else 0.0)


def read_metrics(root: Path, revision: str | None) -> dict[tuple[str, str], Number]:
    """(file, name) → number of every metrics/**/*.json: in the working tree, or in a Git `revision`."""
    if revision is None:
        files = {
            p.relative_to(root).as_posix(): p.read_text("utf-8")
            for p in sorted(root.glob("metrics/**/*.json"))
        }
    else:
        listing = _git(root, "ls-tree", "-r", "--name-only", "-z", revision, "--", "metrics").split("\0")
        files = {name: _git(root, "show", f"{revision}:{name}") for name in listing if name.endswith(".json")}
    return {
        (file, name): number
        for file, text in files.items()
        for name, number in numbers(json.loads(text)).items()
    }


def numbers(metrics: dict[str, Any]) -> dict[str, Number]:
    """Fold x_lo and x_hi into x; every other key is a number of its own."""
    bounds = {f"{name}{end}" for name in metrics for end in ("_lo", "_hi") if _is_estimate(name, metrics)}
    return {
        name: Number(value, metrics[f"{name}_lo"], metrics[f"{name}_hi"])
        if _is_estimate(name, metrics)
        else Number(value)
        for name, value in metrics.items()
        if name not in bounds
    }


def changes(
    before: dict[tuple[str, str], Number], after: dict[tuple[str, str], Number], tolerance: float
) -> list[Change]:
    """Every number that appeared, went, or moved by more than `tolerance` (relative)."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is None or new is None or old.differs(new, tolerance):
            found.append(Change(*key, old, new))
    return found


def markdown(rows: Iterable[Change], limit: int = 200) -> str:
    """A table; bold where the intervals do not overlap. At most `limit` rows (a GitHub comment has a size limit)."""
    rows = list(rows)
    lines = ["| file | metric | before | after |", "|---|---|---|---|"]
    for row in rows[:limit]:
        before, after = ("–" if n is None else str(n) for n in (row.before, row.after))
        after = f"**{after}**" if row.crosses else after
        lines.append(f"| {row.file.removeprefix('metrics/')} | {row.name} | {before} | {after} |")
    if len(rows) > limit:
        lines.append(f"\n{len(rows) - limit} more rows: `dvc metrics diff`.")
    return "\n".join(lines)


def _is_estimate(name: str, metrics: dict[str, Any]) -> bool:
    return f"{name}_lo" in metrics and f"{name}_hi" in metrics


def _digits(value: Scalar) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _off(a: Scalar | None, b: Scalar | None, tolerance: float) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) > tolerance * max(abs(a), abs(b))
    return a != b


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"error: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
