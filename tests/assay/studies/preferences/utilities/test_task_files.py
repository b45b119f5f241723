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
    ("name", "text"),
    [
        ("t.jsonl", '{"id": "a", "text": "one\u2028two\u2029\x85"}\n{"id": "NA", "text": "null"}\n'),
        (
            "t.jsonl",
            '\ufeff{"id": "a", "text": "one\u2028two\u2029\x85"}\r\n{"id": "NA", "text": "null"}\r\n',
        ),
        ("t.json", '\ufeff[{"id": "a", "text": "one\\u2028two\u2029\x85"}, {"id": "NA", "text": "null"}]'),
        ("t.csv", "\ufeffid,text\r\na,one\u2028two\u2029\x85\r\nNA,null\r\n"),
    ],
)
def test_marks_line_ends_and_separators_are_no_content(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    assert read_texts(tmp_path / name) == {"a": "one\u2028two\u2029\x85", "NA": "null"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", '{"a": "one"}', "must hold a list"),
        ("t.json", '[{"task_id": "a"}]', r"row 1 \(a\): no 'prompt'"),
        ("t.json", '[{"prompt": "a"}]', "row 1: no 'task_id'"),
        ("t.json", '["a"]', "row 1: a task must be an object with an id and a text, this is a text"),
        ("t.json", '[{"instruction": "x", "category": null}]', "it is an object with instruction, category"),
        ("t.csv", "id,text,topic\nt1,Write a note,notes,\n", "line 2: 4 values under 3 names"),
        ("t.csv", "id,text,topic\nt2,Draw,x\nt1,cats, dogs,x\n", "line 3: 4 values under 3 names"),
        ("t.csv", "id;text\nt1;Write\n", "line 1: values are separated by semicolons"),
        ("t.jsonl", '{"id": "a", "text": "x"}\n{"id": ', "line 2 is not valid JSON"),
        ("t.jsonl", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "row 2: task 'a' occurs twice"),
    ],
)
def test_a_malformed_task_is_named(tmp_path, name, text, message):
    with pytest.raises(AssayError, match=message) as error:
        read_texts(write(tmp_path / name, text))
    assert str(tmp_path / name) in str(error.value)
