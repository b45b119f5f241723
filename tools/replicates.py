"""Do the standard's findings survive another training? The claims of data/inputs/replicates.yaml over several organisms.

One training is an anecdote: intervals between items say nothing of what another seed would give. Train and study others as a queue:

    dvc exp run --queue -n replicate -S organism.seed=1,2,3,4 score stages/tokens/dvc.yaml:probe@standard-next \\
        stages/preferences/dvc.yaml:truth@standard stages/preferences/dvc.yaml:probe@standard \\
        stages/preferences/dvc.yaml:ood_stats@standard stages/oocr/dvc.yaml:evaluate@standard
    dvc queue start && python -m tools.replicates --experiment replicate-1 --experiment replicate-2 …

Written are each organism's numbers (seed_N.json) and, over all, the mean with Student's interval between organisms and in how many the
claim holds (claims.json).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from ruamel.yaml import YAML

from assay.errors import AssayError
from assay.statistics.estimates import mean_of_replicates
from assay.storage.files import write_json
from assay.storage.json_text import read_document
from stages.shared.cli import read_yaml, run
from tools.sweep import shown

app = typer.Typer(add_completion=False)

CLAIMS = Path("data/inputs/replicates.yaml")
Reader = Callable[[str], str]
"""Path in the repository → text of the file, in one state of it."""


@dataclass(frozen=True)
class Claim:
    """One number of a metrics file, and the bound that the lower end of its interval must exceed, or the number itself."""

    claim: str
    says: str
    file: str
    metric: str
    above: float
    by: Literal["interval", "value"] = "interval"

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Whether it does in one organism."""
        return numbers[self.claim if self.by == "value" else f"{self.claim}_lo"] > self.above


@app.command()
def replicates(
    experiment: Annotated[
        list[str] | None, typer.Option(help="DVC experiment of another seed; repeat for more")
    ] = None,
    checkout: Annotated[
        list[Path] | None, typer.Option(help="or a folder where the pipeline ran with another seed")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder of the summaries")] = Path("metrics/replicates"),
) -> None:
    """Add experiments and the workspace itself to the summaries; organisms summarised before are kept."""
    claims = read_claims(CLAIMS)
    readers = [_of_experiment(name) for name in experiment or []]
    readers += [_of_folder(folder) for folder in [*(checkout or []), Path()]]
    for read in readers:
        seed = int(YAML(typ="safe").load(read("params.yaml"))["organism"]["seed"])
        write_json(out / f"seed_{seed}.json", numbers_of(claims, read))
    organisms = {path.stem: read_document(path) for path in sorted(out.glob("seed_*.json"))}
    write_json(out / "claims.json", summarise(claims, organisms))
    typer.echo(f"{out}: {len(claims)} claims in {len(organisms)} organisms")


def read_claims(path: Path) -> list[Claim]:
    """The claims, in order. Raises AssayError that names a malformed one."""
    found = []
    for number, row in enumerate(read_yaml(path), 1):
        try:
            found.append(Claim(**row))
        except TypeError as error:
            raise AssayError(f"{path}, claim {number}: {error}") from error
    return found


def numbers_of(claims: list[Claim], read: Reader) -> dict[str, float]:
    """Each claim's value and interval in one organism. Raises AssayError for a number that its metrics lack."""
    found: dict[str, float] = {}
    files: dict[str, Any] = {}
    for one in claims:
        path = f"metrics/{one.file}.json"
        if path not in files:
            files[path] = json.loads(read(path))
        values = files[path]
        for end in ("", "_lo", "_hi"):
            if f"{one.metric}{end}" not in values:
                raise AssayError(f"{path} has no {one.metric}{end}; check {CLAIMS}")
            found[f"{one.claim}{end}"] = values[f"{one.metric}{end}"]
    return found


def summarise(claims: list[Claim], organisms: Mapping[str, Mapping[str, float]]) -> dict[str, float | int]:
    """Flat metrics: mean and interval between organisms, how many were asked and in how many the claim holds.

    A claim that was asked of one organism alone has no interval. Raises AssayError for one that was asked of none.
    """
    found: dict[str, float | int] = {}
    for one in claims:
        asked = [numbers for numbers in organisms.values() if one.claim in numbers]
        if not asked:
            raise AssayError(f"no organism was asked {one.claim}; run the pipeline, then this again")
        if len(asked) > 1:
            found |= mean_of_replicates([numbers[one.claim] for numbers in asked]).metrics(one.claim)
        found[f"{one.claim}_n"] = len(asked)
        found[f"{one.claim}_holds"] = sum(one.holds(numbers) for numbers in asked)
    return found


def verdict(holds: int, n: int) -> str:
    """In words: all, most, some, one or none of n organisms."""
    if n == 1 or holds == 0:
        return f"{holds} of {n}"
    if holds == n:
        return f"all {n}"
    return f"{'most' if 2 * holds > n else 'one' if holds == 1 else 'some'}: {holds} of {n}"


def table(root: Path) -> str:
    """The table of stages/README.md: each claim in the certified organism and between organisms."""
    claims, folder = read_claims(root / CLAIMS), root / "metrics/replicates"
    own, over = read_document(folder / "seed_0.json"), read_document(folder / "claims.json")
    rows = [
        "| claim | certified organism, between items | mean, between organisms | holds in |",
        "|---|---|---|---|",
    ]
    for one in claims:
        held = verdict(over[f"{one.claim}_holds"], over[f"{one.claim}_n"])
        rows.append(f"| {one.says} | {_cell(one.claim, own)} | {_cell(one.claim, over)} | {held} |")
    return "\n".join(rows)


def _cell(claim: str, numbers: Mapping[str, float]) -> str:
    if claim not in numbers:
        return "not asked yet"
    return f"{numbers[claim]:.2f} [{numbers[f'{claim}_lo']:.2f}, {numbers[f'{claim}_hi']:.2f}]"


def _of_experiment(name: str) -> Reader:
    return lambda path: shown(name, path)


def _of_folder(folder: Path) -> Reader:
    return lambda path: (folder / path).read_text(encoding="utf-8")


if __name__ == "__main__":
    run(app)
