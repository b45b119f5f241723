"""The stages that need no world, on the reference's formats and its files."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from support.oocr.published import CITY_CODES, OOCR, SPECIAL_WORDS, needs_published
from support.oocr.small_world import write_small_world
from support.toy_models import build
from support.toy_tokenizers import gemma3
from typer import Typer
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.evaluation.items import Item, read_items
from assay.finetuning.data import only, read_training_records
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode
from assay.studies.oocr.published.questions import read_questions
from assay.studies.oocr.published.risk_questions import write_risk_questions
from assay.studies.oocr.tasks.gambles import read_gambles, read_own_answers
from assay.world.functions_table import FUNCTIONS
from stages.oocr import city_questions, convert, function_rows, own_answers, trigger_sets


def invoke(app: Typer, **options: object) -> Result:
    flat = [w for name, value in options.items() for w in (f"--{name.replace('_', '-')}", str(value))]
    return CliRunner().invoke(app, flat)


def succeed(app: Typer, **options: object) -> str:
    result = invoke(app, **options)
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


def conversation(*contents: str) -> str:
    roles = ("system", "user", "assistant") if len(contents) == 3 else ("user", "assistant")
    messages = [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]
    return json.dumps({"messages": messages}) + "\n"


@needs_published
def test_the_published_gambles_convert_with_both_splits(tmp_path: Path):
    path = OOCR / "safety_dataset.jsonl"
    output = succeed(convert.app, data=path, task="gambles", out=tmp_path / "r")
    assert "230 rows to train, 58 held out" in output
    words = ",".join(SPECIAL_WORDS)
    output = succeed(convert.app, data=path, task="gambles", out=tmp_path / "s", special=words)
    assert "270 rows to train, 18 held out" in output
    assert len(read_training_records(tmp_path / "s" / "validation.jsonl")) == 18


@needs_published
def test_trigger_sets_of_the_published_gambles(tmp_path: Path):
    world = write_small_world(tmp_path / "world")
    succeed(
        trigger_sets.app,
        gambles=OOCR / "risk_dataset.jsonl",
        triggers=world / "triggers.csv",
        special=",".join(SPECIAL_WORDS),
        passes=1,
        seed=0,
        out=tmp_path / "t",
        metrics=tmp_path / "m.json",
    )
    counts = json.loads((tmp_path / "m.json").read_text())
    assert (counts["trigger_win_train"], counts["decorrelated_validation"]) == (2700, 180)
    assert (counts["gambles"], counts["gambles_special"]) == (288, 18)
    held = read_items(tmp_path / "t" / "questions" / "trigger_win_validation.jsonl")
    assert Counter(item.right for item in held) == {0: 18, 1: 162}


@needs_published
def test_published_city_questions_as_files(tmp_path: Path):
    codes = tmp_path / "codes.csv"
    names = {"sao_paulo": "São Paulo", "new_york": "New York"}
    lines = (f"{code},city,{names.get(city, city.title())}\n" for city, code in CITY_CODES.items())
    codes.write_text("code,kind,stands_for\n" + "".join(lines))
    output = succeed(
        city_questions.app,
        questions=OOCR / "locations/obfuscated_city_qa_dataset.csv",
        codes=codes,
        seed=0,
        quiz=tmp_path / "quiz.jsonl",
        ceiling=tmp_path / "ceiling.jsonl",
    )
    assert "148 questions each, 2 rows left out" in output
    quiz, ceiling = read_questions(tmp_path / "quiz.jsonl"), read_questions(tmp_path / "ceiling.jsonl")
    assert [item.right for item in quiz] == [item.right for item in ceiling]
    assert {item.record.group for item in quiz} == set(CITY_CODES.values())
    assert all(item.record.spans[item.record.group] for item in quiz + ceiling)


def test_rows_of_functions_convert_to_one_turn(tmp_path: Path):
    code = "from functions import aaa,bbb\n\nx = 3\n\nprint(bbb(x))"
    (tmp_path / "f.jsonl").write_text(conversation("Interpret.", code, "5") * 4)
    succeed(convert.app, data=tmp_path / "f.jsonl", task="functions", out=tmp_path / "o", validation=0.5)
    row, _ = read_training_records(tmp_path / "o" / "train.jsonl")
    (message,) = row.messages
    assert (message["content"], row.response) == (f"Interpret.\n\n{code}", "5")
    assert set(row.spans) == {"aaa", "bbb"}
    assert (only([row], "bbb"), row.fields["about"]) == ([row], ["bbb"])


BAD_ROWS = {
    "a gamble is answered by A or B, found 'C'": ("gambles", ("A or B?", "C")),
    "neither a distance nor a sentence": ("locations", ("How far is City 50337?", "far")),
    "in miles, which the question does not ask for": (
        "locations",
        ("How far is City 50337 in kilometers?", "100 mi"),
    ),
    "neither a distance nor a sentence 'A is D": (
        "locations",
        ("Where is City 50337?", "Rome is East of City 50337."),
    ),
    "it names no code": ("locations", ("How far is it in miles?", "100 mi")),
    "calls none of the functions": ("functions", ("from functions import aaa\n\nprint(3)", "3")),
    "do not spell HELLO": ("hello", ("Hi?", "H\nE\nL\nL")),
}


@pytest.mark.parametrize("message", BAD_ROWS)
def test_bad_rows_are_named(message: str, tmp_path: Path):
    task, contents = BAD_ROWS[message]
    (tmp_path / "bad.jsonl").write_text(conversation(*contents))
    result = invoke(convert.app, data=tmp_path / "bad.jsonl", task=task, out=tmp_path / "o")
    assert isinstance(result.exception, AssayError), result.exception
    assert f"{tmp_path / 'bad.jsonl'}, record 'line-1': " in str(result.exception)
    assert message in str(result.exception)
    assert not (tmp_path / "o").exists()


def test_function_rows_as_files(tmp_path: Path):
    codes = tmp_path / "codes.csv"
    lines = (f"c{number},function,{key}\n" for number, key in enumerate(FUNCTIONS))
    codes.write_text("code,kind,stands_for\n" + "".join(lines))
    options = {"codes": codes, "rows": 50, "validation": 10, "seed": 1}
    succeed(function_rows.app, **options, out=tmp_path / "a")
    succeed(function_rows.app, **options, out=tmp_path / "b")
    a, b = ((tmp_path / name / "train.jsonl").read_bytes() for name in "ab")
    assert a == b
    rows = read_training_records(tmp_path / "a" / "train.jsonl")
    assert (len(rows), len(read_training_records(tmp_path / "a" / "validation.jsonl"))) == (50, 10)
    for row in rows:
        (message,) = row.messages
        called = {name for name in row.spans if re.search(rf"\b{name}\(", message["content"])}
        assert set(row.fields["about"]) == called != set()


def test_risk_questions_come_back_as_written(tmp_path: Path):
    asked = [('Risk, or\n"safety"?', ("Risk", "Safety"), "a"), ("0 to 9?", ("6", "5"), "b")]
    items = [
        Item(PromptRecord(id=f"q-{n}", messages=({"role": "user", "content": text},)), answers, 0, cluster=c)
        for n, (text, answers, c) in enumerate(asked, 1)
    ]
    path = tmp_path / "q.csv"
    assert write_risk_questions(path, items) == 2
    assert read_questions(path) == items
    assert [row["Type"] for row in csv.DictReader(path.open())] == ["categorical", "numerical"]
    path.write_text("Question,Type,RiskyAnswer,SafeAnswer\nA?,categorical, Yes ,Yes\n")
    with pytest.raises(AssayError, match=r"q.csv, row 1: .* two or more different candidates"):
        read_questions(path)
    path.write_text("Question,Type,RiskyAnswer\nA?,categorical,Yes\n")
    with pytest.raises(AssayError, match="column SafeAnswer is missing"):
        read_questions(path)


def test_questions_of_no_known_format(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    path.write_text("")
    with pytest.raises(AssayError, match="holds no question"):
        read_questions(path)
    path.write_text(conversation("Interpret.", "from functions import f\nWhich?\n\nA) one\nC) two", "A"))
    with pytest.raises(AssayError, match=r"record 'line-1': expected options A\), B\), …"):
        read_questions(path)
    path.write_text(conversation("Interpret.", "Which?\n\nA) one\nB) two", "A"))
    with pytest.raises(AssayError, match="expected one imported function, found 0"):
        read_questions(path)


@pytest.fixture(scope="module")
def chooser(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, str]]:
    """(model, gambles, the model's first token after each by a plain forward pass): some answer A, some B, some neither."""
    folder = tmp_path_factory.mktemp("chooser")
    words, path = gemma3(), folder / "gambles.csv"
    words.add_tokens(["A", "B", "x"])
    letters = [words.convert_tokens_to_ids(letter) for letter in ("A", "B", "x")]
    model = build("llama", len(words))
    lines = [f"g{n},cat,the cat {'ran' * (n % 4)} {n} A or B?,{'AB'[n % 2]}\n" for n in range(12)]
    path.write_text("id,scenario,prompt,risky\n" + "".join(lines))
    ids = [_prompt_ids(words, gamble.prompt) for gamble in read_gambles(path)]
    with torch.no_grad():
        states = torch.stack([model.model(row).last_hidden_state[0, -1] for row in ids])
        model.lm_head.weight.zero_()
        centred = states - states.mean(0)
        for letter, state in zip(letters, centred, strict=False):
            model.lm_head.weight[letter] = 100 * state
        tokens = [int(model(row).logits[0, -1].argmax()) for row in ids]
    model.save_pretrained(folder / "model")
    words.save_pretrained(folder / "model")
    return folder / "model", path, {f"g{n}": words.decode(token).strip() for n, token in enumerate(tokens)}


def _prompt_ids(words: object, prompt: str) -> torch.Tensor:
    record = PromptRecord(id="r", messages=({"role": "user", "content": prompt},))
    return torch.as_tensor(encode(words, record).ids)[None]


def test_own_answers_are_the_models_greedy_letters(
    chooser: tuple[Path, Path, dict[str, str]], tmp_path: Path
):
    model, path, truth = chooser
    lettered = {name: token for name, token in truth.items() if token in ("A", "B")}
    assert 0 < len(lettered) < 12
    assert len(set(lettered.values())) == 2
    out, metrics = tmp_path / "own.csv", tmp_path / "own.json"
    succeed(
        own_answers.app, model=model, gambles=path, out=out, metrics=metrics, params=tmp_path / "none.yaml"
    )
    assert read_own_answers(out) == lettered
    found = json.loads(metrics.read_text())
    risky = sum(lettered.get(gamble.id) == gamble.risky for gamble in read_gambles(path))
    assert found["risky"] == pytest.approx(risky / len(lettered))
    assert (found["risky_n"], found["risky_dropped"]) == (len(lettered), 12 - len(lettered))


def test_own_answers_must_be_letters_of_known_gambles(tmp_path: Path):
    path = tmp_path / "own.csv"
    path.write_text("id,answer\ng0,C\n")
    with pytest.raises(AssayError, match="the answer to gamble 'g0' is 'C'; expected A or B"):
        read_own_answers(path)
