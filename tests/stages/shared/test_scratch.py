from pathlib import Path

import pytest

from stages.shared.scratch import scratch_root


def test_work_waits_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ASSAY_SCRATCH", raising=False)
    assert scratch_root() == Path(".scratch")
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path))
    assert scratch_root() == tmp_path
