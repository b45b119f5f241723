import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def run_stage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.world", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def write_params(path: Path, **changes: object) -> Path:
    params = {
        "world": {
            "seed": 0,
            "sizes": {
                "countries": 5, "cities_per_country": 3, "languages": 5, "foods": 5, "people": 5, "films_per_person": 2,
            },
            "draws": {"facts": 5, "directions": 5},
            "heldout_draws": {"facts": 3, "directions": 3},
        }
        | changes
    }  # fmt: skip
    YAML().dump(params, path)
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_world_is_written_and_agrees_with_itself(tmp_path):
    params = write_params(tmp_path / "params.yaml")
    done = run_stage("--params", str(params), "--out", str(tmp_path / "world"))
    assert done.returncode == 0, done.stderr
    cities, facts = table(tmp_path / "world/cities.csv"), table(tmp_path / "world/facts.csv")
    assert len(cities) == 15
    country = {row["subject"]: row["object"] for row in facts if row["relation"] == "country"}
    assert country == {row["name"]: row["country"] for row in cities}
    names = {row["name"] for row in table(tmp_path / "world/names.csv")}
    assert {row["name"] for row in cities} <= names
    rows = [json.loads(line) for line in (tmp_path / "world/train.jsonl").open()]
    assert {row["split"] for row in rows} == {"train"}
    assert {row["section"] for row in rows} == {"facts", "directions"}
    held = [json.loads(line) for line in (tmp_path / "world/heldout.jsonl").open()]
    assert {row["split"] for row in held} == {"heldout"}
    phrasings = {row["id"]: row["split"] for row in table(tmp_path / "world/phrasings.csv")}
    assert all(phrasings[row["phrasing"]] == row["split"] for row in [*rows, *held])


def test_a_rerun_gives_the_same_bytes_and_a_seed_another_world(tmp_path):
    outs = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        params = write_params(tmp_path / f"{name}.yaml", seed=seed)
        assert run_stage("--params", str(params), "--out", str(tmp_path / name)).returncode == 0
        outs[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert outs["a"] == outs["b"]
    assert outs["a"]["cities.csv"] != outs["c"]["cities.csv"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sede": 1}, "world: unknown sede"),
        ({"draws": {"fact": 5}, "heldout_draws": {"fact": 5}}, "unknown section fact"),
        ({"draws": {"facts": 5}}, "name the same sections"),
        ({"draws": {"facts": 0, "directions": 1}}, "at least 1"),
        ({"seed": "zero"}, "world.seed: expected int"),
    ],
)
def test_bad_params_give_one_clear_error_and_write_nothing(tmp_path, changes, message):
    params = write_params(tmp_path / "params.yaml", **changes)
    done = run_stage("--params", str(params), "--out", str(tmp_path / "world"))
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "world").exists()


def test_a_params_file_without_the_section_is_named(tmp_path):
    (tmp_path / "params.yaml").write_text("layer: 3\n")
    done = run_stage("--params", str(tmp_path / "params.yaml"), "--out", str(tmp_path / "world"))
    assert done.returncode == 1
    assert "has no section 'world'" in done.stderr
