from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay.errors import AssayError
from tools.metrics_table import Number, read_metrics
from tools.readme import app, fill, pages, with_tables

ROOT = Path(__file__).parents[2]
METRICS = {("metrics/a/b.json", "x"): Number(0.12345, 0.1, 0.2), ("metrics/a/b.json", "n"): Number(12)}


def test_marked_numbers_are_replaced_and_the_rest_is_left():
    text = "x is <!--m a/b x-->old<!--/m-->, n is <!--m a/b n--><!--/m-->; 3.14 stays"
    filled = fill(text, METRICS, "README.md")
    assert (
        filled
        == "x is <!--m a/b x-->0.123 [0.100, 0.200]<!--/m-->, n is <!--m a/b n-->12<!--/m-->; 3.14 stays"
    )
    assert fill(filled, METRICS, "README.md") == filled


def test_an_unknown_number_is_named():
    with pytest.raises(AssayError, match=r"stages/README\.md marks y.*metrics/a/b\.json"):
        fill("<!--m a/b y--><!--/m-->", METRICS, "stages/README.md")


@pytest.fixture
def repository(tmp_path):
    """One study of one subject, a page for each level."""
    files = {
        "params.yaml": "subjects: [one]\n",
        "data/inputs/answer.yaml": "- {study: ink, concept: red, read: 'r {probe r}', lever: not asked yet}\n",
        "metrics/ink/one/probe.json": '{"r": 0.5, "r_lo": 0.25, "r_hi": 0.75}\n',
        "README.md": "<!--answer-->old<!--/answer-->\n",
        "stages/README.md": "nothing here\n",
        "stages/ink/README.md": "<!--m ink/one/probe r--><!--/m-->\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_every_page_is_written_and_then_current(repository):
    def run(*options):
        return CliRunner().invoke(app, ["--root", str(repository), *options])

    stale = run("--check")
    assert stale.exit_code == 1
    assert "stages/ink/README.md shows stale numbers" in stale.output
    assert run().exit_code == 0
    assert (repository / "stages/ink/README.md").read_text() == (
        "<!--m ink/one/probe r-->0.500 [0.250, 0.750]<!--/m-->\n"
    )
    assert run("--check").exit_code == 0


def test_the_readmes_show_the_committed_metrics():
    """Or, before a commit, those of the working tree: where a run here rounds otherwise, the committed ones are what they show."""
    states = [read_metrics(ROOT, revision) for revision in ("HEAD", None)]
    for page in pages(ROOT):
        text = page.read_text("utf-8")
        assert "<!--m " in text or "<!--answer-->" in text
        assert any(
            with_tables(fill(text, metrics, page.name), ROOT, metrics) == text for metrics in states
        ), f"{page} shows other numbers: run `make readme`"
