"""The index of a run: two invented studies, with and without a folder for each subject."""

import json

import pytest

from assay.errors import AssayError
from assay.pages.index import Group, Link, collect, left_out, render_index
from assay.pages.index_plan import parse_plan

PLAN = parse_plan(
    {
        "subjects": {"standard": "The standard", "sample": "The sample"},
        "studies": {
            "tokens": {"title": "Tokens", "asks": "Where?", "headlines": {"best": "probe r", "true": "deep/truth r standard"}},
            "world": {"title": "World", "asks": "What?", "headlines": {"facts": "world facts"}},
        },
    }
)  # fmt: skip


def estimate(name, value):
    return {name: value, f"{name}_lo": value - 0.1, f"{name}_hi": value + 0.1, f"{name}_n": 5}


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) if isinstance(content, dict) else content, "utf-8")


def run(root):
    return collect(PLAN, root / "plots", root / "metrics", root / "plots")


@pytest.fixture
def flat(tmp_path):
    """Studies without subjects, the one's metrics a single file."""
    write(
        tmp_path,
        {
            "plots/tokens/view.html": "<title>A &lt;b&gt; page</title>",
            "plots/tokens/b/r by layer.png": "",
            "plots/tokens/b/r by layer.csv": "",
            "plots/tokens/a.png": "",
            "plots/tokens/alone.csv": "",
            "plots/tokens/.a.png.tmp": "",
            "metrics/tokens/probe.json": estimate("r", 0.5),
            "metrics/tokens/deep/truth.json": estimate("r", -0.05),
            "metrics/world.json": estimate("facts", 0.9),
        },
    )
    return tmp_path


@pytest.fixture
def split(tmp_path):
    """The same for two subjects, of which one alone has a truth, and a picture of both."""
    write(
        tmp_path,
        {
            "plots/tokens/both.png": "",
            "plots/tokens/sample/a.png": "",
            "plots/tokens/standard/view.html": "<p>no title",
            "metrics/tokens/standard/probe.json": estimate("r", 0.5),
            "metrics/tokens/standard/deep/truth.json": estimate("r", 0.7),
            "metrics/tokens/sample/probe.json": estimate("r", 0.3),
            "metrics/world/standard/world.json": estimate("facts", 0.9),
        },
    )
    return tmp_path


def test_files_are_sorted_and_linked_from_the_index(flat):
    tokens, world = run(flat)
    (group,) = tokens.groups
    assert group.pages == [Link("tokens/view.html", "A <b> page")]
    assert group.pictures == [
        Link("tokens/a.png", "a"),
        Link("tokens/b/r%20by%20layer.png", "b/r by layer", "tokens/b/r%20by%20layer.csv"),
    ]
    assert group.numbers == [("best", "0.500 [0.400, 0.600]"), ("true", "−0.050 [−0.150, 0.050]")]
    assert world.groups == [Group("", [("facts", "0.900 [0.800, 1.000]")], [], [])]


def test_subjects_stand_apart_in_the_plans_order(split):
    tokens, world = run(split)
    assert [group.subject for group in tokens.groups] == ["", "The standard", "The sample"]
    both, standard, sample = tokens.groups
    assert (both.numbers, [link.href for link in both.pictures]) == ([], ["tokens/both.png"])
    assert [number for number, _ in standard.numbers] == ["best", "true"]
    assert standard.pages == [Link("tokens/standard/view.html", "view")]
    assert [number for number, _ in sample.numbers] == ["best"]
    assert sample.pictures == [Link("tokens/sample/a.png", "a")]
    assert [group.subject for group in world.groups] == ["The standard"]


def test_an_index_elsewhere_still_finds_the_files(flat):
    (group,) = collect(PLAN, flat / "plots", flat / "metrics", flat / "site")[0].groups
    assert group.pages[0].href == "../plots/tokens/view.html"


def test_every_number_that_is_missing_is_named(flat):
    write(flat, {"metrics/tokens/probe.json": {"r": 0.5, "r_lo": 0.4}})
    (flat / "metrics/tokens/deep/truth.json").unlink()
    with pytest.raises(
        AssayError, match=r"metrics/tokens lacks r_hi of probe.json; r, r_lo, r_hi of deep/truth.json"
    ):
        run(flat)


def test_folders_that_no_plan_names_are_told(flat):
    write(flat, {"plots/mine/a.png": ""})
    assert left_out(PLAN, flat / "plots") == ["mine"]


def test_the_page_escapes_what_other_pages_say(flat):
    html = render_index(run(flat))
    assert "A &lt;b&gt; page" in html
    assert '<img src="tokens/a.png" alt="" loading="lazy">' in html
    assert html == render_index(run(flat))
