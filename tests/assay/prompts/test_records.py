import json

import pytest

from assay.errors import AssayError
from assay.prompts.records import PromptRecord, Span, parse_record, read_records, record_row, write_records

CHAT = {
    "id": "a",
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Fetch the box."}],
}


def write(path, *rows):
    path.write_text(
        "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def test_round_trip_keeps_every_field(tmp_path):
    row = CHAT | {
        "response": " ok",
        "response_ids": [4, 5],
        "spans": {"thing": [[6, 13]], "tone": [[0, 3, 7]]},
        "positions": [1, -1],
        "rendered": True,
        "label": 1,
        "score": 0.5,
        "group": "g",
        "split": "test",
        "difficulty": {"a": [1]},
    }
    records = read_records(write(tmp_path / "in.jsonl", row, {"id": "b", "text": "é\n"}))
    assert records[0].spans == {"thing": (Span((1, 6, 13)),), "tone": (Span((0, 3, 7)),)}
    assert records[0].fields == {"difficulty": {"a": [1]}}
    assert records[1] == PromptRecord(id="b", text="é\n")
    assert write_records(tmp_path / "out.jsonl", records) == 2
    assert read_records(tmp_path / "out.jsonl") == records
    assert record_row(records[1]) == {"id": "b", "text": "é\n"}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"text": "x"}, "'id'"),
        ({"id": "", "text": "x"}, "'id'"),
        ({"id": 3, "text": "x"}, "'id'"),
        ({"id": "a"}, "'messages' and 'text'"),
        (CHAT | {"text": "x"}, "'messages' and 'text'"),
        ({"id": "a", "messages": []}, "'messages'"),
        ({"id": "a", "messages": [{"role": "bot", "content": "x"}]}, r"'messages\[0\].role'"),
        ({"id": "a", "messages": [{"role": "user", "content": 3}]}, r"'messages\[0\].content'"),
        ({"id": "a", "messages": [{"role": "user"}]}, r"'messages\[0\]'"),
        ({"id": "a", "text": "abc", "spans": {"s": [[1, 9]]}}, r"'spans.s'.*3 characters"),
        ({"id": "a", "text": "abc", "spans": {"s": [[2, 2]]}}, "'spans.s'"),
        ({"id": "a", "text": "abc", "spans": {"s": [[1, 0, 2]]}}, "no message 1"),
        ({"id": "a", "text": "abc", "positions": [1.5]}, "'positions'"),
        ({"id": "a", "text": "abc", "positions": [True]}, "'positions'"),
        ({"id": "a", "text": "abc", "score": "high"}, "'score'"),
        ({"id": "a", "text": "abc", "rendered": "yes"}, "'rendered': expected true or false"),
        ({"id": "a", "text": "abc", "enable_thinking": 1}, "'enable_thinking'"),
        ({"id": "a", "text": "abc", "label": 0.5}, "'label'"),
        ({"id": "a", "text": "abc", "response": ["x"]}, "'response'"),
    ],
)
def test_malformed_field_is_named(row, field):
    with pytest.raises(AssayError, match=field):
        parse_record(row)


def test_error_names_file_and_line(tmp_path):
    path = write(tmp_path / "p.jsonl", {"id": "a", "text": "x"}, "\n", {"id": "b", "text": 3})
    with pytest.raises(AssayError, match=r"p\.jsonl, line 3: field 'text'"):
        read_records(path)
    with pytest.raises(AssayError, match=r"p\.jsonl, line 2 is not valid JSON"):
        read_records(write(path, {"id": "a", "text": "x"}, '{"id": \n'))
    with pytest.raises(AssayError, match=r"line 1: found a JSON array"):
        read_records(write(path, "[1]\n"))


def test_duplicate_ids_name_both_lines(tmp_path):
    path = write(
        tmp_path / "p.jsonl", {"id": "a", "text": "x"}, {"id": "b", "text": "x"}, {"id": "a", "text": "y"}
    )
    with pytest.raises(AssayError, match=r"line 3: field 'id': 'a' was used on line 1"):
        read_records(path)


def test_missing_empty_and_binary_files(tmp_path):
    with pytest.raises(AssayError, match="cannot read"):
        read_records(tmp_path / "none.jsonl")
    with pytest.raises(AssayError, match="holds no record"):
        read_records(write(tmp_path / "p.jsonl", "\n"))
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AssayError, match="not UTF-8"):
        read_records(tmp_path / "b.jsonl")


def test_nan_is_refused_and_the_earlier_file_survives(tmp_path):
    path = write(tmp_path / "p.jsonl", {"id": "a", "text": "x"})
    before = path.read_bytes()
    with pytest.raises(AssayError, match="NaN"):
        write_records(path, [PromptRecord(id="b", text="x", score=float("nan"))])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.jsonl"]


def test_separators_inside_texts_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "p.jsonl"
    rows = ['{"id": "t1", "text": "Summarise:\u2028it"}', '{"id": "t2", "text": "Rain.\x85Stop.\u2029"}']
    for text in ("\n".join(rows) + "\n", "\ufeff" + "\r\n".join(rows) + "\r\n"):
        path.write_bytes(text.encode())
        assert [record.text for record in read_records(path)] == [
            "Summarise:\u2028it",
            "Rain.\x85Stop.\u2029",
        ]


def test_half_a_surrogate_pair_is_refused_and_pairs_and_nul_are_read(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a\\u0000b", "text": "thumbs \\ud83d\\udc4d up"}\n')
    assert read_records(path)[0] == PromptRecord(id="a\0b", text="thumbs \U0001f44d up")
    for row, field in (
        ('{"id": "b", "text": "nice \\ud83d"}', "text"),
        ('{"id": "b", "messages": [{"role": "user", "content": "\\uDC4D"}]}', r"messages\[0\].content"),
    ):
        path.write_text('{"id": "a", "text": "x"}\n' + row + "\n")
        with pytest.raises(
            AssayError, match=rf"p\.jsonl, line 2, field '{field}': .* half of a surrogate pair"
        ):
            read_records(path)


@pytest.mark.parametrize("text", ['[\n {"id": "a"}\n]\n', '["a", "b"]\n', '[{"id": "a", "text": "x"}]'])
def test_an_array_is_named_with_the_cure(tmp_path, text):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(AssayError, match=r"line 1: found a JSON array, expected one object per line; `jq -c"):
        read_records(tmp_path / "p.jsonl")


def test_deep_and_long_json_is_one_error(tmp_path):
    for text, message in (("[" * 100_000, "JSON array"), ('{"a":' * 100_000, "nested too deeply")):
        (tmp_path / "p.jsonl").write_text(text)
        with pytest.raises(AssayError, match=message):
            read_records(tmp_path / "p.jsonl")
    (tmp_path / "p.jsonl").write_text('{"id": "a", "text": "x", "score": ' + "1" * 5000 + "}")
    with pytest.raises(AssayError, match="not valid JSON"):
        read_records(tmp_path / "p.jsonl")
