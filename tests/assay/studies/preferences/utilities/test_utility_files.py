import csv

import numpy as np
import pytest
from support.preferences.published import THURSTONE, needs_published
from support.preferences.thurstonian_world import make_world, random_pairs

from assay.errors import AssayError
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.thurstone import fit_thurstone
from assay.studies.preferences.utilities.utility_files import read_utilities, write_utilities


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    found = make_world(6).comparisons(random_pairs(6, 12), 4, np.random.default_rng(0))
    names = ("a,b", 'say "x"', "é", "d", "e", "f")
    fitted = fit_thurstone(
        Comparisons(found.first, found.second, found.first_wins, found.second_wins, found.refusals, ids=names)
    )
    write_utilities(tmp_path / "u.csv", fitted)
    read = read_utilities(tmp_path / "u.csv")
    assert read.ids == names
    for name in ("mu", "sigma", "mu_se"):
        np.testing.assert_array_equal(getattr(read, name), getattr(fitted, name))
    with open(tmp_path / "u.csv", newline="") as handle:
        assert [row["task_id"] for row in csv.DictReader(handle)] == list(names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task_id,mu\nx,1\n", "column sigma is missing"),
        ("task_id,mu,sigma\nx,1,1\nx,2,1\n", "line 3: field 'task_id': 'x' is empty or occurs twice"),
        ("task_id,mu,sigma\nx,one,1\n", "line 2: field 'mu': expected a finite number, found 'one'"),
        ("task_id,mu,sigma\nx,nan,1\n", "line 2: field 'mu'"),
        ("task_id,mu,sigma\nx,1,0\n", "line 2: field 'sigma': expected a number > 0"),
        ("task_id,mu,sigma\nx,1\n", "line 2: 2 values under 3 names"),
        ("task_id,mu,sigma\n", "holds no utility"),
        (None, "cannot read"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, text, message):
    path = tmp_path / "u.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AssayError, match=message) as error:
        read_utilities(path)
    assert str(path) in str(error.value)


@needs_published
def test_published_utilities_have_no_errors():
    read = read_utilities(THURSTONE / "thurstonian.csv")
    assert len(read.ids) == 1000
    assert read.mu[0] == 0
    assert np.isnan(read.mu_se).all()
