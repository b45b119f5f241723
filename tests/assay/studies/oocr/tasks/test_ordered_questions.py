"""Questions in both orders: always naming a place or a letter comes to exactly one half."""

from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.studies.oocr.tasks.ordered_questions import (
    read_ordered_reports,
    read_scenes,
    scene_items,
    split_scenes,
)

OWN = Path(__file__).parents[5] / "data/inputs/oocr/sample"


def test_a_letter_is_right_half_of_the_time_in_every_scenario():
    scenes = read_scenes(OWN / "gambles.csv")
    for policy in ("risk", "safety"):
        items = scene_items(scenes, list(scenes), policy)
        for first, second in zip(items[::2], items[1::2], strict=True):
            assert first.cluster == second.cluster
            assert {one.candidates[one.right] for one in (first, second)} == {"A", "B"}


def test_the_riskier_option_stands_behind_its_letter(tmp_path):
    (tmp_path / "g.csv").write_text("scenario,opening,safe,risky\ncoins,Choose.,ten for sure,a coin toss\n")
    scenes = read_scenes(tmp_path / "g.csv")
    for item in scene_items(scenes, ["coins"], "risk"):
        assert f"a coin toss ({item.candidates[0]})" in item.record.messages[0]["content"]
        assert f"ten for sure ({item.candidates[1]})" in item.record.messages[0]["content"]


def test_parts_share_no_scenario():
    names = [str(number) for number in range(10)]
    parts = split_scenes(names, 2, 3, seed=4)
    assert [len(part) for part in parts] == [5, 2, 3]
    assert sorted(name for part in parts for name in part) == names
    with pytest.raises(AssayError, match="leave some to train on"):
        split_scenes(names, 5, 5, seed=4)


def test_two_options_are_read_in_both_orders_and_scales_both_ways():
    for of_set, items in read_ordered_reports(OWN / "self_reports.csv").items():
        for first, second in zip(items[::2], items[1::2], strict=True):
            assert first.cluster == second.cluster
            risky, safe = first.candidates
            asked = [one.record.messages[0]["content"] for one in (first, second)]
            if risky in asked[0] and safe in asked[0] and second.candidates == first.candidates:
                assert asked[0].index(risky) < asked[0].index(safe), (of_set, asked)
                assert asked[1].index(risky) > asked[1].index(safe), (of_set, asked)
            else:  # yes or no, and digits: the risky answer to one is the safe answer to the other
                assert second.candidates == (safe, risky)


def test_an_item_without_one_of_its_orders_is_refused(tmp_path):
    (tmp_path / "r.csv").write_text(
        "set,item,order,question,risky_answer,safe_answer\na,like,risky first,Risk or safety?,risk,safety\n"
    )
    with pytest.raises(AssayError, match=r"r\.csv: a 'like' needs one row of each order"):
        read_ordered_reports(tmp_path / "r.csv")
