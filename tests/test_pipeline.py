"""dvc.yaml, params.yaml, dvc.lock and stages/ say the same; nothing is run and no model is needed.

tests/tools/test_checks.py breaks each of these checks on purpose.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.checks import CHECKS
from tools.pipeline import Pipeline, read_pipeline

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return read_pipeline(ROOT)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_pipeline(check: Callable[[Pipeline], list[str]], pipeline: Pipeline) -> None:
    problems = check(pipeline)
    assert not problems, "\n" + "\n".join(problems)
