from pathlib import Path

import pytest

from stages.shared.scratch import scratch_root


def test_unfinished_work_waits_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SCRATCH", "/elsewhere")
    assert scratch_root() == Path("/elsewhere")
    monkeypatch.delenv("ASSAY_SCRATCH")
    assert scratch_root() == Path(".scratch")
