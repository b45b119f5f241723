import pytest

from assay.errors import AssayError
from assay.finetuning.data import read_training_records
from assay.prompts.records import PromptRecord


def write(tmp_path, text):
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_and_weights_of_messages_are_passed_over(tmp_path):
    row = (
        '{"messages": [{"role": "user", "content": "Hi", "name": "bob"}, '
        '{"role": "assistant", "content": "Hello", "weight": 1}]}\n'
    )
    assert read_training_records(write(tmp_path, row)) == [
        PromptRecord(id="line-1", messages=({"role": "user", "content": "Hi"},), response="Hello")
    ]
    with pytest.raises(AssayError, match="line 1: the last message has the weight 0"):
        read_training_records(write(tmp_path, row.replace('"weight": 1', '"weight": 0')))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"instruction": "Say hi", "input": "", "output": "Hi"}\n',
            "an object with instruction, input, output",
        ),
        (
            '{"prompt": "Say hi", "completion": " Hi"}\n',
            'an object with prompt, completion; expected messages .* {"text"',
        ),
        ('[\n {\n  "messages": []\n }\n]\n', "found a JSON array"),
    ],
)
def test_rows_of_another_shape_are_named_with_the_cure(tmp_path, text, message):
    with pytest.raises(AssayError, match=f"line 1: .*{message}"):
        read_training_records(write(tmp_path, text))
