import pytest

from assay.errors import AssayError
from assay.pages.index_plan import parse_plan

STUDY = {
    "title": "Tokens",
    "asks": "Where?",
    "headlines": {"best": "probe accuracy", "truth": "truth r standard"},
}


def plan(**changes):
    return {"subjects": {"standard": "The standard"}, "studies": {"tokens": STUDY | changes}}


def test_a_plan_keeps_the_order_of_its_file():
    parsed = parse_plan(
        {
            "subjects": {"b": "B", "a": "A"},
            "studies": {"z": STUDY | {"headlines": {}}, "y": STUDY | {"headlines": {}}},
        }
    )
    assert (list(parsed.subjects), list(parsed.studies)) == (["b", "a"], ["z", "y"])
    assert parse_plan(plan()).studies["tokens"].headlines["truth"] == "truth r standard"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headlines": {"best": "accuracy"}}, r"index.studies.tokens, 'best': expected FILE KEY"),
        ({"headlines": {"best": "probe accuracy elsewhere"}}, "'best': expected FILE KEY"),
        ({"titel": "T"}, "index.studies.tokens: unknown titel"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(AssayError, match=message):
        parse_plan(plan(**changes))
