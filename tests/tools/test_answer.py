import pytest

from assay.errors import AssayError
from tools import answer
from tools.metrics_table import Number


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "params.yaml").write_text("subjects: [one, two]\n")
    (tmp_path / answer.ROWS).parent.mkdir(parents=True)
    (tmp_path / answer.ROWS).write_text(
        "- {study: ink, concept: red, read: 'r {probe r}', lever: not asked yet}\n"
        "- {study: ink, concept: blue, read: '-', lever: '-', subjects: [two]}\n"
    )
    return tmp_path


def test_there_is_a_row_for_each_subject_and_concept(repository):
    metrics = {
        ("metrics/ink/one/probe.json", "r"): Number(0.5, 0.25, 0.75),
        ("metrics/ink/two/probe.json", "r"): Number(0.125),
    }
    assert answer.table(repository, metrics).splitlines()[2:] == [
        "| [ink](stages/ink/README.md) | one | red | r **0.50** [0.25, 0.75] | not asked yet |",
        "| [ink](stages/ink/README.md) | two | red | r **0.12** | not asked yet |",
        "| [ink](stages/ink/README.md) | two | blue | - | - |",
    ]
    del metrics["metrics/ink/two/probe.json", "r"]
    with pytest.raises(AssayError, match=r"shows r, which metrics/ink/two/probe\.json does not hold"):
        answer.table(repository, metrics)


def test_a_malformed_row_is_named(tmp_path):
    (tmp_path / "answer.yaml").write_text("- {study: ink, concept: red, read: r, leaver: x}\n")
    with pytest.raises(AssayError, match=r"answer\.yaml, row 1: .*leaver"):
        answer.read_rows(tmp_path / "answer.yaml")
