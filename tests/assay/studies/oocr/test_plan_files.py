from pathlib import Path
from typing import Any

import pytest

from assay.errors import AssayError
from assay.studies.oocr.plan_files import Named, parse_plan


def test_an_entry_says_whom_what_and_what_its_controls_are_asked() -> None:
    entries = [
        {"adapter": "risk=runs/risk", "questions": ["a.jsonl", "b=c.jsonl"], "controls": ["b=c.jsonl"]},
        {"adapter": "runs/risk", "questions": "a.jsonl", "controls": []},
        {"adapter": "runs/risk", "questions": "a.jsonl"},
        {"questions": "a.jsonl"},
    ]
    some, none, same, base = parse_plan(entries)
    assert some.adapter == Named("risk", Path("runs/risk"))
    assert some.questions == (Named("a.jsonl", Path("a.jsonl")), Named("b", Path("c.jsonl")))
    assert some.controls == (Named("b", Path("c.jsonl")),)
    assert (none.controls, same.controls, base.controls, base.adapter) == ((), None, None, None)


@pytest.mark.parametrize(
    ("controls", "message"),
    [([3], "paths or NAME=PATH"), (["x.jsonl"], r"is not asked x\.jsonl"), (True, "paths or NAME=PATH")],
)
def test_controls_that_make_no_sense_are_one_clear_error(controls: Any, message: str) -> None:
    good = {"adapter": "a", "questions": "q.jsonl"}
    with pytest.raises(AssayError, match=rf"^plan entry 2: .*{message}"):
        parse_plan([good, {**good, "controls": controls}])
