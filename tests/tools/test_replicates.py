import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from assay.errors import AssayError
from tools.replicates import CLAIMS, Claim, numbers_of, read_claims, summarise, table, verdict

ROOT = Path(__file__).parents[2]
CLAIM = Claim("reads", "it is read", "probe", "r", 0.5)


def reader(metrics):
    return lambda path: json.dumps({"metrics/probe.json": metrics}[path])


def test_an_organisms_numbers_are_those_of_its_metrics():
    found = numbers_of([CLAIM], reader({"r": 0.7, "r_lo": 0.6, "r_hi": 0.8, "other": 1}))
    assert found == {"reads": 0.7, "reads_lo": 0.6, "reads_hi": 0.8}
    assert CLAIM.holds(found)
    assert not CLAIM.holds(found | {"reads_lo": 0.5})
    with pytest.raises(AssayError, match=r"metrics/probe\.json has no r_lo"):
        numbers_of([CLAIM], reader({"r": 0.7}))


def test_between_organisms_it_is_students_interval_and_a_count():
    values = np.array([0.7, 0.9, 0.55, 0.62])
    organisms = {
        f"seed_{i}": {"reads": v, "reads_lo": v - 0.1, "reads_hi": v + 0.1} for i, v in enumerate(values)
    }
    found = summarise([CLAIM], organisms)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose([found["reads_lo"], found["reads_hi"]], [expected.low, expected.high])
    assert (found["reads_n"], found["reads_holds"]) == (4, 3)
    assert summarise([CLAIM], organisms | {"seed_9": {}}) == found  # not asked there
    assert summarise([CLAIM], {"seed_0": organisms["seed_0"]}) == {"reads_n": 1, "reads_holds": 1}
    with pytest.raises(AssayError, match="no organism was asked reads"):
        summarise([CLAIM], {"seed_9": {}})


@pytest.mark.parametrize(
    ("holds", "n", "words"),
    [
        (5, 5, "all 5"),
        (3, 5, "most: 3 of 5"),
        (2, 5, "some: 2 of 5"),
        (1, 5, "one: 1 of 5"),
        (0, 5, "0 of 5"),
        (1, 1, "1 of 1"),
    ],
)
def test_the_verdict_is_a_word(holds, n, words):
    assert verdict(holds, n) == words


def test_committed_summaries_answer_every_claim():
    folder = ROOT / "metrics/replicates"
    claims = read_claims(ROOT / CLAIMS)
    organisms = {p.stem: json.loads(p.read_text()) for p in folder.glob("seed_*.json")}
    assert len(organisms) >= 2
    assert summarise(claims, organisms) == json.loads((folder / "claims.json").read_text())


def test_the_certified_organism_is_the_one_that_the_pipeline_studied():
    own = json.loads((ROOT / "metrics/replicates/seed_0.json").read_text())
    found = numbers_of(read_claims(ROOT / CLAIMS), lambda path: (ROOT / path).read_text())
    for name, value in found.items():
        assert value == pytest.approx(own[name], rel=0.02, abs=0.02), name


def test_the_readme_holds_the_table():
    text = (ROOT / "stages/README.md").read_text("utf-8")
    assert f"<!--replicates-->\n{table(ROOT)}\n<!--/replicates-->" in text
    assert table(ROOT).count("\n") == len(read_claims(ROOT / CLAIMS)) + 1
