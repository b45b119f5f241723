import pytest

from assay.errors import AssayError
from assay.preferences.task_files import read_texts, read_utilities


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '[{"task_id": "a", "prompt": "one"}, {"task_id": "b", "prompt": "two", "mu": 1}]'),
        ("t.jsonl", '{"id": "a", "text": "one"}\n\n{"id": "b", "messages": [{"role": "user", "content": "two"}]}\n'),
        ("t.csv", "task_id,prompt,other\na,one,1\nb,two,2\n"),
    ],
)  # fmt: skip
def test_texts_come_in_file_order(tmp_path, name, text):
    assert list(read_texts(write(tmp_path / name, text)).items()) == [("a", "one"), ("b", "two")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", '{"a": "one"}', "must hold a list"),
        ("t.json", '[{"task_id": "a"}]', r"row 1 \(a\): no 'prompt'"),
        ("t.json", '[{"prompt": "a"}]', "row 1: no 'task_id'"),
        ("t.json", '["a"]', "row 1: a task must be an object"),
        ("t.jsonl", '{"id": "a", "text": "x"}\n{"id": ', "line 2 is not valid JSON"),
        ("t.jsonl", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "row 2: task 'a' occurs twice"),
    ],
)
def test_a_malformed_task_is_named(tmp_path, name, text, message):
    with pytest.raises(AssayError, match=message) as error:
        read_texts(write(tmp_path / name, text))
    assert str(tmp_path / name) in str(error.value)


def test_utilities_in_file_order(tmp_path):
    path = write(tmp_path / "u.csv", "task_id,mu,sigma\n7,1.5,1\nNA,-2e-1,1\n")
    assert list(read_utilities(path).items()) == [("7", 1.5), ("NA", -0.2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task_id,sigma\na,1\n", "lacks mu"),
        ("task_id,mu\n", "lacks rows"),
        ("task_id,mu\na,1\nb,x\n", "line 3: mu is 'x'"),
        ("task_id,mu\na,1\nb,inf\n", "line 3: mu is 'inf'"),
        ("task_id,mu\na,1\na,2\n", "line 3: task_id is 'a'"),
    ],
)
def test_malformed_utilities_are_named(tmp_path, text, message):
    with pytest.raises(AssayError, match=message):
        read_utilities(write(tmp_path / "u.csv", text))
    with pytest.raises(AssayError, match="does not exist"):
        read_utilities(tmp_path / "nothing.csv")
