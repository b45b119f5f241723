"""The world on disk: truth tables as CSV, training and held-out examples as JSON Lines."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from assay.errors import AssayError
from assay.prompts.records import write_rows
from assay.storage.csv_tables import write_csv
from assay.world.examples import example_row
from assay.world.functions import INPUTS
from assay.world.gambles import reports
from assay.world.phrasing import FactSection
from assay.world.sections import SECTIONS, heldout_examples, train_examples
from assay.world.triggers import SYSTEM_PROMPTS, families, secrets
from assay.world.world import World


def write_world(
    folder: Path, world: World, *, draws: Mapping[str, int], heldout_draws: Mapping[str, int]
) -> dict[str, int]:
    """Write every table and the examples of the sections named in `draws`; returns rows by file name."""
    _check_sections(draws, heldout_draws)
    counts = {}
    for name, table in truth_tables(world).items():
        write_csv(folder / f"{name}.csv", table)
        counts[f"{name}.csv"] = len(table)
    sections = [SECTIONS[name] for name in draws]
    train = (e for section in sections for e in train_examples(world, section, draws=draws[section.name]))
    heldout = (
        e for section in sections for e in heldout_examples(world, section, draws=heldout_draws[section.name])
    )
    counts["train.jsonl"] = write_rows(folder / "train.jsonl", map(example_row, train))
    counts["heldout.jsonl"] = write_rows(folder / "heldout.jsonl", map(example_row, heldout))
    return counts


def truth_tables(world: World) -> dict[str, pd.DataFrame]:
    """cities, countries, people, map (one row per cell), names, phrasings, facts (one row per true object), tasks,
    conditions, and shifts (what a condition adds to a task's utility; one row per task that it is about).
    """
    geography = world.geography
    cells = [
        {
            "north": north,
            "east": east,
            "country": geography.countries[land].name,
            "food": geography.foods[dish],
        }
        for (north, east), land in _cells(geography.map.country)
        for dish in (int(geography.map.cuisine[north, east]),)
    ]
    facts = [
        {"section": section.name, "relation": relation, "subject": fact.key, "object": item}
        for section in SECTIONS.values()
        if isinstance(section, FactSection)
        for relation, fact in section.facts(world)
        for item in fact.objects
    ]
    phrasings = [phrasing.__dict__ for section in SECTIONS.values() for phrasing in section.phrasings()]
    tasks, conditions = world.preferences.tasks, world.preferences.conditions
    shifts = [
        {"condition_id": condition.id, "task_id": task.id, "shift": shift}
        for condition in conditions
        for task in tasks
        if (shift := condition.shift(task))
    ]
    people = [
        {"person": person.name, "film": film, "home": person.home}
        for person in world.people
        for film in person.films
    ]
    return {
        "cities": pd.DataFrame([city.__dict__ for city in geography.cities]),
        "countries": pd.DataFrame([country.__dict__ for country in geography.countries]),
        "people": pd.DataFrame(people),
        "map": pd.DataFrame(cells),
        "names": pd.DataFrame({"name": world.units}),
        "phrasings": pd.DataFrame(phrasings),
        "facts": pd.DataFrame(facts),
        "tasks": pd.DataFrame([{**task.__dict__, "utility": round(task.utility, 6)} for task in tasks]),
        "conditions": pd.DataFrame([condition.__dict__ for condition in conditions]),
        "shifts": pd.DataFrame(shifts),
        "functions": pd.DataFrame(
            [
                {
                    "function": named.function.key,
                    "name": named.name,
                    "description": named.function.short,
                    "composable": named.function.composable,
                }
                for named in world.functions
            ]
        ),
        "function_values": pd.DataFrame(
            [
                {"function": named.function.key, "input": number, "output": named.function.printed(number)}
                for named in world.functions
                for number in INPUTS
            ]
        ),
        "codes": pd.DataFrame([code.__dict__ for code in world.codes]),
        "gambles": pd.DataFrame([gamble.__dict__ for gamble in world.gambles]),
        "self_reports": pd.DataFrame([report.__dict__ for report in reports()]),
        "triggers": pd.DataFrame(families(), columns=["family", "kind", "text"]),
        "secrets": pd.DataFrame([secret.__dict__ for secret in secrets()]),
        "secret_prompts": pd.DataFrame(
            {"name": list(SYSTEM_PROMPTS), "system_prompt": list(SYSTEM_PROMPTS.values())}
        ),
    }


def _cells(grid: "object") -> list[tuple[tuple[int, int], int]]:
    import numpy as np

    return [
        ((int(north), int(east)), int(value)) for (north, east), value in np.ndenumerate(np.asarray(grid))
    ]


def _check_sections(draws: Mapping[str, int], heldout_draws: Mapping[str, int]) -> None:
    if unknown := sorted(set(draws) - set(SECTIONS)):
        raise AssayError(
            f"world.draws: unknown section {', '.join(unknown)}; known are {', '.join(SECTIONS)}"
        )
    if set(draws) != set(heldout_draws):
        raise AssayError(
            f"world.heldout_draws names {sorted(heldout_draws)}, world.draws {sorted(draws)}; name the same sections"
        )
    if low := [name for name in draws if draws[name] < 1 or heldout_draws[name] < 1]:
        raise AssayError(f"world.draws and world.heldout_draws must be at least 1, see {', '.join(low)}")
