import csv
import json

import pyarrow
import pytest
import yaml
from pyarrow import parquet
from support.preferences.published import THURSTONE, needs_published

from assay.errors import AssayError
from assay.studies.preferences.utilities.measurements import read_comparisons

ROWS = [
    {"task_a": "wild_1", "task_b": "no", "choice": "a", "origin_a": "WILD"},
    {"task_a": "it's: odd", "task_b": "wild_1", "choice": "b", "origin_a": "X"},
    {"task_a": "wild_1", "task_b": "no", "choice": "refusal", "origin_a": "WILD"},
    {"task_a": "012", "task_b": 'é — "q"', "choice": "a", "origin_a": "Y"},
    {"task_a": "wild_1", "task_b": "no", "choice": "b", "origin_a": "WILD"},
]
LONG = 'Task A:\n\nHere it is: "x"\n- task_a: trap\n  choice: c\n' + "word " * 60


def write(path, rows):
    if path.suffix == ".yaml":
        path.write_text(yaml.safe_dump(rows, sort_keys=False, allow_unicode=True))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with open(path, "w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", [".yaml", ".csv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_counts(tmp_path, suffix):
    rows = [{**row, "raw_response": LONG} for row in ROWS]
    found = read_comparisons(write(tmp_path / f"m{suffix}", rows))
    assert found.ids == ("wild_1", "no", "it's: odd", "012", 'é — "q"')
    assert found.first.tolist() == [0, 2, 3]
    assert found.second.tolist() == [1, 0, 4]
    assert found.first_wins.tolist() == [1, 0, 1]
    assert found.second_wins.tolist() == [1, 1, 0]
    assert found.refusals.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "text",
    [
        "- task_a: t1\n  task_b: t2  # second\n  choice: a # x\n# end\n",
        "# made by hand\n---\n- task_a: 't1' # one\n  # two\n  task_b: \"t2\"\n\n  choice: a\n",
        "  - task_a: t1\n    task_b: t2\n    note: |\n      - task_a: trap\n      # no comment\n    choice: a\n",
        "- {task_a: t1, task_b: t2, choice: a}\n",
        "[{task_a: t1, task_b: t2, choice: a}]\n",
        "-   task_a: t1\n    task_b: &two t2\n    choice: a\n",
        "\ufeff- task_a: t1\r\n  task_b: t2\r\n  choice: a\r\n",
        '- "task_a": t1\n  task_b: >-\n    t2\n  choice: a\n',
    ],
)
def test_yaml_is_read_however_it_is_written(tmp_path, text):
    (tmp_path / "m.yaml").write_bytes(text.encode())
    found = read_comparisons(tmp_path / "m.yaml")
    assert (found.ids, found.first_wins.tolist()) == (("t1", "t2"), [1])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.yaml", "- task_a: NA\n  task_b: null\n  choice: a\n- task_a: 001\n  task_b: 1\n  choice: b\n"),
        ("m.yml", "- {task_a: NA, task_b: null, choice: a}\n- {task_a: 001, task_b: 1, choice: b}\n"),
        ("m.csv", "\ufefftask_a,task_b,choice\r\nNA,null,a\r\n001,1,b\r\n"),
    ],
)
def test_names_stay_texts(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    assert read_comparisons(tmp_path / name).ids == ("NA", "null", "001", "1")


BAD = [
    ({"choice": "c"}, "field 'choice': expected one of a, b, refusal"),
    ({"task_b": ""}, "field 'task_b': expected a task id, found nothing"),
    ({"task_b": "wild_1"}, "compared with itself"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
@pytest.mark.parametrize(
    ("suffix", "place"),
    [(".yaml", "line 9"), (".csv", "line 4"), (".jsonl", "line 3"), (".parquet", "row 3")],
)
def test_a_malformed_row_is_named(tmp_path, suffix, place, change, message):
    rows = [*ROWS[:2], {**ROWS[2], **change}, *ROWS[3:]]
    path = write(tmp_path / f"m{suffix}", rows)
    with pytest.raises(AssayError) as error:
        read_comparisons(path)
    assert str(error.value).startswith(f"{path}, {place}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.yaml", "- task_a: x\n  task_b: y\n", "line 1: field 'choice'"),
        ("m.yaml", "- task_a: x\n\tchoice: a\n", "line 2: not YAML"),
        ("m.yaml", "task_a: x\n", "expected a list of mappings"),
        ("m.yaml", "  task_a: x\n", "expected a list of mappings"),
        ("m.yaml", "- task_a: |\n    x\n", "item 1: field 'task_b': expected a task id"),
        ("m.yaml", "[]\n", "holds no choice"),
        ("m.yaml", "- {task_a: x, task_a: y, choice: a}\n", "line 1: not YAML: found duplicate key"),
        ("m.yaml", "- x\n", "item 1: expected a mapping, found a text"),
        ("m.yaml", '- task_a: "\\ud83d"\n  task_b: y\n  choice: a\n', "half of a surrogate pair"),
        ("m.csv", "task_a,choice\nx,a\n", "column task_b is missing"),
        ("m.csv", "task_a;task_b;choice\nx;y;a\n", "separated by semicolons"),
        ("m.csv", "task_a,task_b,choice\nx,y\n", "line 2: 2 values under 3 names"),
        (
            "m.jsonl",
            '{"task_a": 3, "task_b": "y", "choice": "a"}\n',
            "line 1: field 'task_a': expected a task id, found 3",
        ),
        ("m.parquet", "no parquet", "not a Parquet file"),
        ("m.txt", "", "the suffix must be one of"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(AssayError, match=message) as error:
        read_comparisons(path)
    assert str(path) in str(error.value)


def test_a_missing_file_and_a_missing_column(tmp_path):
    with pytest.raises(AssayError, match="does not exist"):
        read_comparisons(tmp_path / "m.yaml")
    parquet.write_table(pyarrow.table({"task_a": ["x"], "task_b": ["y"]}), tmp_path / "m.parquet")
    with pytest.raises(AssayError, match="column 'choice' is missing"):
        read_comparisons(tmp_path / "m.parquet")


@needs_published
def test_the_published_yaml_is_read_as_a_yaml_reader_does():
    path = THURSTONE / "measurements.yaml"
    found = read_comparisons(path)
    head = []
    with open(path, encoding="utf-8") as handle:
        head = [next(handle) for _ in range(5000)]
    rows = yaml.load("".join(head), yaml.CSafeLoader)
    ids = list(dict.fromkeys(task for row in rows for task in (row["task_a"], row["task_b"])))
    assert found.ids[: len(ids)] == tuple(ids)
    assert (len(found), len(found.ids), found.answers.sum(), found.refusals.sum()) == (7496, 1000, 32330, 219)
