import pytest

from stages.shared import display
from stages.shared.progress import reading_progress


def test_plain_lines_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: clock[0])
    with reading_progress() as meter:
        meter.start(100, 1000)
        meter.resume(50, 500)  # by an earlier run: it does not count as speed
        clock[0] = 10.0
        meter.advance(10, 100)
        assert capsys.readouterr().err == ""
        clock[0] = 20.0
        meter.advance(10, 100)
    assert capsys.readouterr().err == "70/100 records, 1.0 records/s, 10 tokens/s, 0:30 left\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    with reading_progress() as meter:
        meter.start(100, 1000)
        meter.advance(100, 1000)
    assert "100/100 records" in capsys.readouterr().err
