"""The command as people run it."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.oocr.toy_study import items, lora_adapter, toy, vector_adapter
from support.stage_runner import run_stage
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.evaluation.items import write_items
from assay.prompts.records import read_records
from stages.oocr.evaluate import app
from stages.oocr.shuffle_responses import app as shuffle_app


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    loaded = toy(folder / "model")
    for seed in (0, 1):
        vector_adapter(folder / "vec" / f"seed_{seed}_lr_0.1", loaded, seed)
        vector_adapter(folder / "vec" / f"seed_{seed}_lr_0.1" / "step_2", loaded, seed + 5, step=2)
    lora_adapter(folder / "lora", loaded)
    vector_adapter(folder / "alien", loaded, pin="0" * 64)
    write_items(folder / "quiz.jsonl", items())
    write_items(folder / "dog.jsonl", items("You are a dog."))
    return folder


def invoke(study: Path, out: Path, words: str) -> Result:
    words = words.replace("@", f"{study}/")
    return CliRunner().invoke(app, f"--model {study}/model --params {study}/none --out {out} {words}".split())


ALL = "--adapter @vec --adapter low=@lora --questions @quiz.jsonl --questions barks=@dog.jsonl"


@pytest.mark.parametrize(
    "out", ["quiz.jsonl", "lora/adapter_model.safetensors", "lora/adapter.json", "model/config.json"]
)
def test_an_output_that_is_an_input_named_in_the_plan_is_refused(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"adapter": f"a={study}/lora", "questions": [f"q={study}/quiz.jsonl"]}]))
    before = (study / out).read_bytes()
    words = ["--model", study / "model", "--params", study / "none", "--plan", plan, "--out", study / out]
    assert run_stage("oocr.evaluate", *words) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"error: --out and (an input of .*plan\.json|the model .*) are the same, .*\n", said)
    assert (study / out).read_bytes() == before


def test_metrics_records_and_table(study: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("m.json", "r.csv", "t.csv")]
    more = f"--records {outs[1]} --table {outs[2]} --random 2 --checkpoints --against low --by-category quiz"
    result = invoke(study, outs[0], f"{ALL} {more}")
    assert result.exit_code == 0, result.exception
    found = json.loads(outs[0].read_text())
    for questions in ("quiz", "barks"):
        for adapter in ("base", "vec", "low", "vec_random", "low_random"):
            name = f"{questions}_{adapter}_accuracy"
            assert found[f"{name}_lo"] <= found[name] <= found[f"{name}_hi"]
            assert found[f"{name}_n"] == 4
        assert found[f"{questions}_vec_items_untouched"] == 2
        assert found[f"{questions}_chance"] == pytest.approx((3 / 3 + 1 / 2) / 4)
    assert "quiz_c0_vec_accuracy" in found
    assert "barks_c0_vec_accuracy" not in found
    records = list(csv.DictReader(outs[1].open()))
    assert len(records) == 4 * 2 * (
        1 + 4 + 2 + 1 + 2
    )  # items × sets × (base, vectors, controls, LoRA, controls)
    own = [float(row["margin"]) for row in records if (row["questions"], row["adapter"]) == ("quiz", "low")]
    table = list(csv.DictReader(outs[2].open()))
    margins = {
        (row["adapter"], row["statistic"]): float(row["value"])
        for row in table
        if (row["questions"], row["category"], row["group"]) == ("quiz", "", "") and row["checkpoint"] == "0"
    }
    assert margins["low", "margin"] == pytest.approx(sum(own) / 4, abs=1e-4)
    moved = margins["low", "margin"] - margins["base", "margin"]
    assert margins["low", "margin_minus_base"] == pytest.approx(moved, abs=2e-6)
    assert ("vec", "margin_minus_low") in margins
    assert abs(moved) > 0.01
    assert {row["runs"] for row in table if row["adapter"] == "vec" and row["statistic"] == "margin"} == {"2"}
    assert {row["step"] for row in table if row["adapter"] == "vec"} == {"2", "4"}
    before = [path.read_bytes() for path in outs]
    assert invoke(study, outs[0], f"{ALL} {more}").exit_code == 0
    assert [path.read_bytes() for path in outs] == before


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_plan_asks_each_adapter_its_own(suffix: str, study: Path, tmp_path: Path) -> None:
    plan = tmp_path / f"plan.{suffix}"
    entries = [
        {"adapter": f"{study}/vec", "questions": [f"{study}/quiz.jsonl"]},
        {"adapter": f"low={study}/lora", "questions": f"barks={study}/dog.jsonl"},
        {"adapter": f"{study}/vec", "questions": [f"{study}/quiz.jsonl", f"barks={study}/dog.jsonl"]},
    ]
    plan.write_text(json.dumps(entries[: 2 if suffix == "json" else 3]))
    assert invoke(study, tmp_path / "m.json", f"--plan {plan}").exit_code == 0
    found = json.loads((tmp_path / "m.json").read_text())
    names = {name.removesuffix("_accuracy") for name in found if name.endswith("_accuracy")}
    asked = {"quiz_base", "barks_base", "quiz_vec", "barks_low"}
    assert names == (asked if suffix == "json" else asked | {"barks_vec"})


def test_a_plan_says_what_the_random_controls_are_asked(study: Path, tmp_path: Path) -> None:
    quiz, barks = f"{study}/quiz.jsonl", f"barks={study}/dog.jsonl"
    entries = [
        {"adapter": f"{study}/vec", "questions": [quiz, barks], "controls": barks},
        {"adapter": f"none={study}/lora", "questions": [quiz, barks], "controls": []},
        {"adapter": f"low={study}/lora", "questions": quiz},
    ]
    (tmp_path / "plan.json").write_text(json.dumps(entries))
    words = f"--plan {tmp_path}/plan.json --random 3 --table {tmp_path}/t.csv --records {tmp_path}/r.csv"
    result = invoke(study, tmp_path / "m.json", words)
    assert result.exit_code == 0, result.exception
    table = list(csv.DictReader((tmp_path / "t.csv").open()))
    drawn = {(row["questions"], row["adapter"], row["runs"]) for row in table if "random" in row["adapter"]}
    assert drawn == {("barks", "vec_random", "3"), ("quiz", "low_random", "3")}


def test_one_random_control_is_refused_before_anything_is_asked(study: Path, tmp_path: Path) -> None:
    result = invoke(study, tmp_path / "m.json", "--adapter @lora --questions @missing.jsonl --random 1")
    assert isinstance(result.exception, AssayError)
    assert "one random control has no interval; give --random 20" in str(result.exception)


def test_the_interval_of_random_controls_is_that_of_their_draws(study: Path, tmp_path: Path) -> None:
    words = f"--adapter @lora --questions @quiz.jsonl --random 4 --table {tmp_path}/t.csv --records {tmp_path}/r.csv"
    assert invoke(study, tmp_path / "m.json", words).exit_code == 0
    margins: dict[str, list[float]] = {}
    for row in csv.DictReader((tmp_path / "r.csv").open()):
        if row["adapter"] == "lora_random":
            margins.setdefault(row["run"], []).append(float(row["margin"]))
    students = stats.ttest_1samp([np.mean(run) for run in margins.values()], 0).confidence_interval(0.95)
    (found,) = [
        (float(row["lower"]), float(row["upper"]))
        for row in csv.DictReader((tmp_path / "t.csv").open())
        if (row["adapter"], row["statistic"], row["category"]) == ("lora_random", "margin", "")
    ]
    assert len(margins) == 4
    assert found == pytest.approx((students.low, students.high), abs=1e-4)


def test_the_base_model_alone_under_the_other_rule(study: Path, tmp_path: Path) -> None:
    margins = []
    for rule in ("full", "last-token"):
        words = f"--questions @quiz.jsonl --rule {rule} --records {tmp_path}/r.csv"
        assert invoke(study, tmp_path / "m.json", words).exit_code == 0
        assert json.loads((tmp_path / "m.json").read_text())["quiz_base_accuracy_n"] == 4
        margins.append([row["margin"] for row in csv.DictReader((tmp_path / "r.csv").open())])
    assert margins[0] != margins[1]


BAD = {
    "or --plan alone": "--adapter @lora",
    "was made with another model": "--adapter @lora --adapter @alien --questions @quiz.jsonl",
    "holds no adapter": "--adapter @model --questions @quiz.jsonl",
    "does not exist": "--adapter @nowhere --questions @quiz.jsonl",
    "both called 'quiz'": "--questions @quiz.jsonl --questions quiz=@dog.jsonl",
    "no adapter is called 'nobody'": "--questions @quiz.jsonl --against nobody",
    "--by-category other: no question set has this name": "--questions @quiz.jsonl --by-category other",
    "--by-group other: no question set has this name": "--questions @quiz.jsonl --by-group other",
    "holds no question": "--questions @empty.jsonl",
    "bad.json: plan entry 1": "--plan @bad.json",
    "the adapter is not asked z, so its controls are not": "--plan @strange.json",
    "give --random 20, or 0 for none": "--adapter @lora --questions @quiz.jsonl --random 1",
    "nothing to ask": "--questions @quiz.jsonl --no-base",
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_leaves_the_earlier_metrics(message: str, study: Path, tmp_path: Path) -> None:
    (study / "empty.jsonl").write_text("")
    (study / "bad.json").write_text('[{"adapter": "x"}]')
    (study / "strange.json").write_text('[{"adapter": "x", "questions": "y", "controls": "z"}]')
    (tmp_path / "m.json").write_text("earlier")
    result = invoke(study, tmp_path / "m.json", BAD[message])
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert (tmp_path / "m.json").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_shuffled_responses(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": f"q{i}"}], "response": "AB"[i % 2]} for i in range(30)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = f"--data {tmp_path}/train.jsonl --seed 1 --out {tmp_path}/shuffled.jsonl".split()
    result = CliRunner().invoke(shuffle_app, words)
    assert result.exit_code == 0, result.exception
    shuffled = read_records(tmp_path / "shuffled.jsonl")
    assert [record.messages[0]["content"] for record in shuffled if record.messages] == [
        f"q{i}" for i in range(30)
    ]
    assert sorted(str(record.response) for record in shuffled) == ["A"] * 15 + ["B"] * 15
    assert [record.response for record in shuffled] != [row["response"] for row in rows]
