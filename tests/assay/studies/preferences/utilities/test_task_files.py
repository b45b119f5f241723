import pytest

from assay.errors import AssayError
from assay.studies.preferences.utilities.task_files import read_texts


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
