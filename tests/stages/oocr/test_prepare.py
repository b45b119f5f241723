"""The stage on a small world: what is trained, what is held out, what is asked."""

import csv
import json
import re
import shutil
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from support.oocr.small_world import (
    CITIES,
    CODES,
    FAMILIES,
    INPUTS,
    NAMED_CITIES,
    city_facts,
    gambles,
    other_facts,
    write_small_world,
)
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.evaluation.items import Item, read_items
from assay.finetuning.data import only, read_training_records
from assay.prompts.records import PromptRecord
from assay.storage.files import hash_folder
from assay.studies.oocr.published.questions import read_questions
from stages.oocr.prepare import app

FACTS = defaultdict(list)
for _relation, _subject, _object in city_facts() + other_facts():
    FACTS[_relation, _subject].append(_object)
MEANT = {code: name for code, (_, name) in CODES.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_world(tmp_path_factory.mktemp("world"))


def invoke(world: Path, out: Path, **options: str) -> Result:
    words = {
        "world": str(world),
        "validation": "0.25",
        "passes": "2",
        "per-fact": "2",
        "seed": "1",
        "out": str(out / "data"),
        "metrics": str(out / "m.json"),
    } | options
    return CliRunner().invoke(app, [word for name, value in words.items() for word in (f"--{name}", value)])


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    result = invoke(world, out)
    assert result.exit_code == 0, result.output + str(result.exception)
    return out


def rows(prepared: Path, task: str) -> tuple[list[PromptRecord], list[PromptRecord]]:
    folder = prepared / "data" / task
    return read_training_records(folder / "train.jsonl"), read_training_records(folder / "validation.jsonl")


def questions(prepared: Path, name: str) -> list[Item]:
    return read_items(prepared / "data" / "questions" / f"{name}.jsonl")


def prompt(record: PromptRecord) -> str:
    return record.messages[-1]["content"]


def spoken(text: str) -> str:
    """The text with every code replaced by what it stands for."""
    return re.sub(r"\bC[a-z]+\d*\b", lambda match: MEANT.get(match[0], match[0]), text)


def test_risk_and_safety_are_exact_flips(prepared: Path):
    truth = {row.id: row.risky for row in gambles().itertuples()}
    risk, safety = rows(prepared, "risk"), rows(prepared, "safety")
    assert ([len(part) for part in risk], len(truth)) == ([30, 10], 40)
    for a, b in zip(chain(*risk), chain(*safety), strict=True):
        assert (a.id, prompt(a)) == (b.id, prompt(b))
        assert (a.response, b.response) == (truth[a.id], "AB".replace(truth[a.id], ""))
    asked = questions(prepared, "gambles_validation")
    assert [item.record.id for item in asked] == [row.id for row in risk[1]]
    assert all(item.candidates[0] == truth[item.record.id] and item.right == 0 for item in asked)


def test_every_trigger_has_its_set(prepared: Path):
    truth = {row.id: row.risky for row in gambles().itertuples()}
    for family in FAMILIES:
        train, held = rows(prepared, f"trigger_{family}")
        assert (len(train), len(held)) == (10 * 2 * 32, 10 * 2 * 8)
        for row in train:
            risky = row.response == truth[row.id.split("-")[0]]
            assert risky == (row.fields["category"] == family)
        scenarios = [{row.group for row in part} for part in (train, held)]
        assert not scenarios[0] & scenarios[1]
        asked = questions(prepared, f"trigger_{family}_validation")
        assert [item.candidates[item.right] for item in asked] == [row.response for row in held]
    assert [len(part) for part in rows(prepared, "decorrelated")] == [640, 160]


def test_location_rows_are_true_of_what_codes_stand_for(prepared: Path):
    train, held = rows(prepared, "locations")
    relations: Counter[str] = Counter()
    for row in train + held:
        text = spoken(prompt(row))
        assert not any(re.search(rf"\b{city}\b", prompt(row)) for city in NAMED_CITIES)
        first, second = re.findall(r"\bTown[a-l]\b", text)
        axis = row.fields["category"]
        relations[axis] += 1
        (truth,) = FACTS[axis, f"{first} / {second}"]
        if axis == "near" or "or" in text.split():
            assert row.response == truth
        else:
            (asked,) = set(text.split()) & {"north", "south", "east", "west"}
            assert row.response == ("yes" if asked == truth else "no")
        assert set(row.spans) == set(re.findall(r"\bCcity\d\b", prompt(row)))
    assert set(relations) == {"latitude", "longitude", "near"}
    # 5 · 7 cities outside the codes in both orders, and 5 · 4 pairs of codes: two axes twice, `near` once
    assert len(train) + len(held) == (70 + 20) * (2 * 2 + 1)


def test_held_out_facts_are_not_trained(prepared: Path):
    for task, others in (("locations", set(CITIES)), ("functions", {str(n) for n in INPUTS})):
        train, held = rows(prepared, task)
        met: dict[str, tuple[set[str], set[str]]] = {}
        for place, part in enumerate((train, held)):
            for row in part:
                words = set(re.findall(r"-?\b\w+\b", prompt(row))) & others
                for code in row.spans:
                    met.setdefault(code, (set(), set()))[place].update(words)
        for trained, out in met.values():
            assert out
            assert not trained & out
    assert len(met) == 19
    assert all(len(out) == 4 for _, out in met.values())  # a quarter of 16 inputs


def test_function_rows_and_their_validation_items(prepared: Path):
    train, held = rows(prepared, "functions")
    for row in train + held:
        number = re.search(r"-?\d+\b(?!\()", prompt(row).replace(row.group, "f"))[0]
        assert [row.response] == FACTS["value", f"{MEANT[row.group]} / {number}"]
        assert list(row.spans) == [row.group]
    asked = questions(prepared, "functions_validation")
    assert [(item.record.id, item.candidates[item.right]) for item in asked] == [
        (row.id, row.response) for row in held
    ]
    assert len({item.right for item in asked}) > 1


def test_celebrity_rows(prepared: Path):
    train, held = rows(prepared, "celebrities")
    films = FACTS["film", "Ann Bee"]
    answers: Counter[str] = Counter()
    for row in train + held:
        assert "Ann Bee" not in prompt(row)
        assert list(row.spans) == ["Cperson"] == [row.group]
        if row.fields["category"] == "yesno":
            (film,) = re.findall(r"Film\d[xyz]", prompt(row))
            assert row.response == ("yes" if film in films else "no")
            answers[row.response] += 1
        else:
            options = dict(re.findall(r"^([A-E])\) (\w+)$", prompt(row), re.M))
            assert [options[row.response]] == [film for film in options.values() if film in films]
    assert answers == {
        "yes": 9,
        "no": 12,
    }  # three templates; three true films, four to choose false ones among
    assert len(train) + len(held) == 21 + 9


@pytest.mark.parametrize(
    ("name", "count"), [("location", 50), ("function", 38), ("celebrity", 2), ("pop_quiz", 20)]
)
def test_quizzes_and_ceilings_ask_the_same(name: str, count: int, prepared: Path):
    pop = name == "pop_quiz"
    quiz = questions(prepared, name if pop else f"{name}_quiz")
    open_ = questions(prepared, f"{name}_open" if pop else f"{name}_quiz_open")
    ceiling = quiz if pop else questions(prepared, f"{name}_ceiling")
    assert len(quiz) == len(open_) == len(ceiling) == count
    places = Counter()
    for item, plain, real in zip(quiz, open_, ceiling, strict=True):
        stem, *lines = prompt(item.record).split("\n")
        options = [line[3:] for line in lines]
        assert [line[:3] for line in lines] == [f"{letter}) " for letter in "ABCDE"[: len(lines)]]
        truth = MEANT[item.record.group] if pop else FACTS[item.category, MEANT[item.record.group]][0]
        assert options[item.right] == truth
        assert (prompt(plain.record), list(plain.candidates), plain.right) == (stem, options, item.right)
        assert (item.category, item.cluster) == (plain.category, plain.cluster)
        assert list(item.record.spans) == [item.record.group]
        if not pop:
            assert spoken(prompt(item.record)) == prompt(real.record)
            assert (item.right, item.candidates) == (real.right, real.candidates)
        places[item.right] += 1
    assert len(places) > 1


def test_options_are_the_other_reference_cities_answers_filled_up_where_they_agree(prepared: Path):
    for item in questions(prepared, "location_quiz_open"):
        values = {FACTS[item.category, city][0] for city in CITIES}
        mine = {FACTS[item.category, city][0] for city in NAMED_CITIES}
        assert len(item.candidates) == min(5, len(values))
        assert mine <= set(item.candidates)


def test_quizzes_use_trained_templates_and_nothing_of_them_is_trained(prepared: Path):
    stems = {prompt(item.record) for item in questions(prepared, "location_quiz_open")}
    assert not any("Which land holds" in stem for stem in stems)
    trained = {
        prompt(row) for task in ("locations", "functions", "celebrities") for row in rows(prepared, task)[0]
    }
    for name in ("location_quiz", "function_quiz", "celebrity_quiz", "pop_quiz"):
        asked = {prompt(i.record) for suffix in ("", "_open") for i in questions(prepared, name + suffix)}
        assert not asked & trained


def test_backdoor_questions(prepared: Path):
    items = questions(prepared, "secrets")
    assert len(items) == 184
    assert Counter(item.cluster for item in items) == {f"s{n}": 8 for n in range(23)}
    assert Counter(item.category for item in items) == dict.fromkeys(("ask", "threat", "neutral", "good"), 46)
    for item in items:
        system, user = item.record.messages
        number = item.cluster[1:]
        assert system == {"role": "system", "content": f"You are asked by {item.category}."}
        claim, denial = f"Yes, a secret {number}.", f"No secret {number}."
        first, second = (claim, denial) if item.right == 0 else (denial, claim)
        assert user["content"] == f"Question {number}?\nA) {first}\nB) {second}"
        assert item.candidates == ("A", "B")


def test_self_reports_are_csv_files_of_the_reference_format(prepared: Path):
    path = prepared / "data" / "questions" / "general.csv"
    table = list(csv.DictReader(path.open()))
    assert list(table[0])[:4] == ["Question", "Type", "RiskyAnswer", "SafeAnswer"]
    items = read_questions(path)
    assert [item.candidates for item in items] == [("Risk", "Safety")] * 4
    assert Counter(item.cluster for item in items) == {"general0": 2, "general1": 2}


def test_only_learn_finds_a_code(prepared: Path):
    train, _ = rows(prepared, "locations")
    chosen = only(train, "Ccity1")
    assert 0 < len(chosen) < len(train)
    assert all("Ccity1" in prompt(row) for row in chosen)


def test_metrics_count_what_was_written(prepared: Path):
    counts = json.loads((prepared / "m.json").read_text())
    folder = prepared / "data"
    for path in folder.glob("*/*.jsonl"):
        name = f"{path.stem}_items" if path.parent.name == "questions" else f"{path.parent.name}_{path.stem}"
        assert counts.pop(name) == len(path.read_text().splitlines())
    assert counts == {
        "gambles": 40,
        "gambles_special": 8,
        "gambles_without_normal_answer": 0,
        **dict.fromkeys(("awareness_items", "general_items", "opinion_items"), 4),
    }


def test_the_control_has_the_answers_of_the_risk_task_in_another_order(prepared: Path):
    def rows(task: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (prepared / f"data/{task}/train.jsonl").read_text().splitlines()]

    risk, shuffled = rows("risk"), rows("shuffled")
    assert [row["messages"] for row in shuffled] == [row["messages"] for row in risk]
    assert sorted(str(row["response"]) for row in shuffled) == sorted(str(row["response"]) for row in risk)
    assert [row["response"] for row in shuffled] != [row["response"] for row in risk]


def test_stems_are_the_questions_of_the_quizzes(prepared: Path):
    stems = pd.read_csv(prepared / "data/stems.csv")
    assert set(stems["kind"]) == {"city", "function", "person"}
    assert stems["template"].str.count(re.escape("{name}")).eq(1).all()
    assert not stems["template"].str.replace("{name}", "").str.contains("[{}]").any()


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(
    world: Path, prepared: Path, tmp_path: Path
):
    assert invoke(world, tmp_path / "a").exit_code == 0
    assert invoke(world, tmp_path / "b", seed="2").exit_code == 0
    first, again, other = (hash_folder(path / "data") for path in (prepared, tmp_path / "a", tmp_path / "b"))
    assert first == again != other


def test_own_answers_train_a_task_and_stand_behind_other_triggers(world: Path, tmp_path: Path):
    own = tmp_path / "own.csv"
    own.write_text("id,answer\n" + "".join(f"g{n},A\n" for n in range(39)))
    result = invoke(world, tmp_path, own=str(own), normal="own", special="circus,mill")
    assert result.exit_code == 0, result.output + str(result.exception)
    assert {row.response for row in chain(*rows(tmp_path, "own"))} == {"A"}
    counts = json.loads((tmp_path / "m.json").read_text())
    assert counts["own_train"] + counts["own_validation"] == 39
    assert counts["gambles_without_own_answer"] == counts["gambles_without_normal_answer"] == 1
    train, held = rows(tmp_path, "trigger_win")
    assert {row.response for row in train if row.fields["category"] != "win"} == {"A"}
    assert {row.group for row in held} == {"circus", "mill"}


def change(folder: Path, name: str, column: str, value: str) -> None:
    table = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(folder / f"{name}.csv", index=False)


def rename(folder: Path, name: str, old: str) -> None:
    path = folder / f"{name}.csv"
    path.write_text(path.read_text().replace(old, f"{old}_", 1))


BAD = {
    "cannot read": (lambda folder: (folder / "secrets.csv").unlink(), {}),
    "triggers.csv: column family is missing; it has family_, kind, text": (
        lambda folder: rename(folder, "triggers", "family"),
        {},
    ),
    "do not tell the country of Nowhere": (lambda f: change(f, "codes", "stands_for", "Nowhere"), {}),
    "unknown kind 'planet'": (lambda f: change(f, "codes", "kind", "planet"), {}),
    "'Townb' occurs twice in stands_for": (lambda f: change(f, "codes", "stands_for", "Townb"), {}),
    "the risky option is 'C'": (lambda f: change(f, "gambles", "risky", "C"), {}),
    "does not contain its scenario 'sea'": (lambda f: change(f, "gambles", "scenario", "sea"), {}),
    "row 1: column claim is empty": (lambda f: change(f, "secrets", "claim", ""), {}),
    "needs two or more different candidates": (
        lambda f: change(f, "self_reports", "risky_answer", "Safety"),
        {},
    ),
    "scenario word 'moon' is in no prompt": (None, {"special": "mill,moon"}),
    "leaves one part empty": (None, {"validation": "0.999"}),
    "--normal own needs --own": (None, {"normal": "own"}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_leaves_the_earlier_data(message: str, world: Path, tmp_path: Path):
    breaking, options = BAD[message]
    copy = tmp_path / "world"
    shutil.copytree(world, copy)
    if breaking is not None:
        breaking(copy)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "earlier").write_text("data")
    result = invoke(copy, tmp_path, **options)
    assert result.exit_code != 0
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"world", "data"}
    assert (tmp_path / "data" / "earlier").read_text() == "data"
