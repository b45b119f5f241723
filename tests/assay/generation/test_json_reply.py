import pytest

from assay.generation.endpoint import ChatError
from assay.generation.json_reply import parse_json_field


@pytest.mark.parametrize(
    "text", ['{"verdict": "A"}', '```json\n{"verdict": "A"}\n```', 'I think {"why": 1, "verdict": "A"}.']
)
def test_the_field_is_found_in_fences_and_prose(text: str) -> None:
    assert parse_json_field(text, "verdict", ("A", "B")) == "A"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A", "no verdict in 'A'"),
        ("} {", "no verdict"),
        ('{"other": "A"}', "no verdict"),
        ('{"verdict": "C"}', "verdict 'C' is none of A, B"),
        ('{"verdict": ["A"]}', "is none of A, B"),
    ],
)
def test_what_is_no_verdict_is_garbage(text: str, message: str) -> None:
    with pytest.raises(ChatError, match=message):
        parse_json_field(text, "verdict", ("A", "B"))
