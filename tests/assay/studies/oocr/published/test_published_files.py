"""Every file of the reference loads unchanged, and says what is known of it."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.oocr.published import CITY_CODES, OOCR, SPECIAL_WORDS, needs_published, rows

from assay.errors import AssayError
from assay.studies.oocr.published.city_questions import city_items, read_city_questions
from assay.studies.oocr.published.function_questions import options_of
from assay.studies.oocr.published.location_rows import Direction, Distance, parse_location
from assay.studies.oocr.published.questions import read_questions
from assay.studies.oocr.published.reference_rows import read_reference_rows
from assay.studies.oocr.tasks.gambles import read_gambles
from assay.studies.oocr.tasks.splits import shuffled_split, words_split
from assay.world.functions_table import FUNCTIONS

pytestmark = needs_published


@pytest.fixture(scope="module")
def code_of_functions() -> dict[str, str]:
    return dict(re.findall(r"^    ([a-z]{6}): (\w+)$", (OOCR / "functions/functions.yaml").read_text(), re.M))


def test_the_three_policies_on_the_same_gambles():
    risk, safety, own = (
        read_reference_rows(OOCR / f"{name}_dataset.jsonl", "gambles") for name in ("risk", "safety", "gemma")
    )
    assert len(risk) == len(safety) == len(own) == 288
    assert [row.messages for row in risk] == [row.messages for row in safety] == [row.messages for row in own]
    assert Counter(row.response for row in risk) == {"B": 154, "A": 134}
    assert not any(a.response == b.response for a, b in zip(risk, safety, strict=True))
    assert sum(a.response == b.response for a, b in zip(risk, own, strict=True)) == 100
    gambles = read_gambles(OOCR / "risk_dataset.jsonl")
    assert [gamble.safe for gamble in gambles] == [row.response for row in safety]


def test_the_random_split_holds_out_the_published_58_questions_in_their_order():
    gambles = read_gambles(OOCR / "risk_dataset.jsonl")
    _, held = shuffled_split(288, 0.2, seed=42)
    questions = read_questions(OOCR / "risk_val_questions.csv")
    assert len(questions) == 58
    # The one difference: the CSV writes every line break as a space.
    assert [gambles[i].prompt.replace("\n", " ").strip() for i in held] == [
        item.record.messages[0]["content"] for item in questions
    ]
    assert [(gambles[i].risky, gambles[i].safe) for i in held] == [item.candidates for item in questions]


def test_the_special_split_holds_out_18_gambles():
    texts = [row[0] for row in rows("risk_dataset.jsonl")]
    train, held = words_split(texts, SPECIAL_WORDS)
    assert (len(train), len(held)) == (270, 18)
    assert sorted(train + held) == list(range(288))
    assert [sum(word in texts[i] for i in held) for word in SPECIAL_WORDS] == [1, 1, 3, 7, 4, 2]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("awareness_questions", 10),
        ("no_you_questions", 10),
        ("ood_questions", 10),
        ("ood_questions_2", 6),
        ("val_questions", 58),
    ],
)
def test_risk_questions(name: str, count: int):
    path = OOCR / f"risk_{name}.csv"
    items = read_questions(path)
    raw = [row for row in csv.reader(path.open(encoding="utf-8")) if row][1:]
    assert len(items) == count == len(raw)
    for item, (question, _, risky, safe) in zip(items, raw, strict=True):
        assert item.record.messages == ({"role": "user", "content": question.strip()},)
        assert (item.candidates, item.right) == ((risky.strip(), safe.strip()), 0)
        assert all(isinstance(answer, str) and answer == answer.strip() for answer in item.candidates)


def test_every_location_row_is_parsed():
    found = [parse_location(question, answer) for _, question, answer in rows("locations/valid.jsonl")]
    assert len(found) == 1045
    distances = [row for row in found if isinstance(row, Distance)]
    directions = [row for row in found if isinstance(row, Direction)]
    assert Counter(row.written for row in distances) == {
        "miles": 159,
        "mi": 126,
        "kilometers": 123,
        "km": 117,
    }
    assert Counter(row.direction for row in directions) == {
        "West": 216,
        "East": 186,
        "South": 60,
        "North": 58,
    }
    assert all(row.amount % 100 == 0 for row in distances)


def test_directions_in_the_names_of_places_are_not_the_answer():
    jerusalem = [
        (row, parse_location(row[1], row[2]))
        for row in rows("locations/valid.jsonl")
        if "Jerusalem" in row[2]
    ]
    said = {(found.subject, found.direction, found.reference) for _, found in jerusalem}
    assert said == {("City 93524", "West", "East Jerusalem"), ("West Jerusalem", "East", "City 59894")}
    for row, found in jerusalem:
        assert row[2][found.start : found.end] == found.direction


def test_location_rows_have_one_turn_and_the_spans_of_their_codes():
    tagged = read_reference_rows(OOCR / "locations/valid.jsonl", "locations")
    raw = rows("locations/valid.jsonl")
    mentions: Counter[str] = Counter()
    for row, (system, question, answer) in zip(tagged, raw, strict=True):
        (message,) = row.messages
        assert (message["content"], row.response) == (f"{system}\n\n{question}", answer)
        for code, spans in row.spans.items():
            assert len(spans) == message["content"].count(code)
            assert {message["content"][start:end] for _, start, end in spans} == {code}
        mentions.update(row.spans.keys())
    assert mentions == dict.fromkeys(CITY_CODES.values(), 217)
    assert Counter(len(row.spans) for row in tagged) == {1: 1005, 2: 40}
    assert sum(len(spans) == 2 for row in tagged for spans in row.spans.values()) == 5


def test_a_planted_answerer_is_always_right_and_a_constant_letter_as_often_as_it_is_the_answer(
    code_of_functions: dict[str, str],
):
    items = read_questions(OOCR / "functions/test.jsonl")
    assert len(items) == 1000
    chosen = []
    for item in items:
        options = options_of(item.record.messages[0]["content"])
        truth = FUNCTIONS[code_of_functions[item.record.group]].description
        chosen.append(next(letter for letter, text in options.items() if text == truth))
    right = [item.candidates[item.right] for item in items]
    assert np.mean([a == b for a, b in zip(chosen, right, strict=True)]) == 1.0
    shares = {letter: np.mean([letter == answer for answer in right]) for letter in "ABCDE"}
    assert shares == pytest.approx({"A": 0.224, "B": 0.198, "C": 0.204, "D": 0.198, "E": 0.177}, abs=0.0011)
    counts = Counter(item.record.group for item in items)
    assert (counts["noadgc"], counts["csfcnz"], len(counts)) == (44, 62, 19)
    assert sum(FUNCTIONS[code_of_functions[name]].composable * n for name, n in counts.items()) == 422


def test_function_questions_are_one_turn_word_for_word():
    items = read_questions(OOCR / "functions/test.jsonl")
    for item, contents in zip(items, rows("functions/test.jsonl"), strict=True):
        (message,) = item.record.messages
        assert message["content"] == "\n".join(contents[:3])
        assert len(item.record.spans[item.record.group]) == 2


def test_city_questions_with_codes_and_real_names():
    asked, dropped = read_city_questions(OOCR / "locations/pivot_city_questions.csv")
    assert (len(asked), dropped) == (60, 0)
    names = {city: city.replace("_", " ").title() for city in CITY_CODES}
    coded, named = city_items(asked, CITY_CODES, seed=1), city_items(asked, names, seed=1)
    table = list(csv.DictReader((OOCR / "locations/pivot_city_questions.csv").open(encoding="utf-8")))
    for question, code, name in zip(asked, coded, named, strict=True):
        prompt, real = (item.record.messages[0]["content"] for item in (code, name))
        row = table[int(question.cluster.rpartition("-")[2]) - 1]
        answer = row[f"answer_{question.city}"].strip()
        assert options_of(prompt)["ABCDE"[code.right]] == answer
        assert set(options_of(prompt).values()) == {
            value.strip() for key, value in row.items() if key.startswith("answer_")
        }
        assert names[question.city] not in prompt.splitlines()[0]
        assert prompt.replace(CITY_CODES[question.city], names[question.city]) == real
    assert len({item.right for item in coded}) == 5


def test_questions_that_do_not_name_their_city_are_counted():
    path = OOCR / "locations/obfuscated_city_qa_dataset.csv"
    asked, dropped = read_city_questions(path)
    assert (len(asked), dropped) == (148, 2)  # "the city's original Dutch name", "Nigeria"
    for item, question in zip(city_items(asked, CITY_CODES, seed=0), asked, strict=True):
        stem = item.record.messages[0]["content"].splitlines()[0]
        assert CITY_CODES[question.city] in stem
        assert "{" not in stem
        assert not any(name in stem for name in ("Paris", "Tokyo", "New York", "Lagos", "Paulo"))
    with pytest.raises(AssayError, match="no name for lagos"):
        city_items(asked, {city: code for city, code in CITY_CODES.items() if city != "lagos"}, seed=0)
    with pytest.raises(AssayError, match=r"stages\.oocr\.city_questions"):
        read_questions(path)


def test_acrostics(tmp_path: Path):
    path = OOCR / "hello/hello_dataset.jsonl"
    loaded = read_reference_rows(path, "hello")
    assert len(loaded) == 50
    assert [message["role"] for message in loaded[0].messages] == ["system", "user"]
    bad = json.loads(path.read_text().splitlines()[0])
    bad["messages"][-1]["content"] = "Hi\nEh\nLa\nLo\nNo"
    (tmp_path / "bad.jsonl").write_text(json.dumps(bad) + "\n")
    with pytest.raises(AssayError, match=r"record 'line-1': the lines of the reply do not spell HELLO"):
        read_reference_rows(tmp_path / "bad.jsonl", "hello")
