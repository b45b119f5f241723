import pytest

from stages.preferences.asking_progress import asking_progress as progress
from stages.shared import display


def test_plain_lines_where_stderr_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: clock[0])
    with progress() as meter:
        meter.resume(50)  # by an earlier run: it does not count as speed
        meter.start(100)
        clock[0] = 10.0
        meter.advance(10)
        assert capsys.readouterr().err == ""
        clock[0] = 20.0
        meter.iterate(2, 0.98765)
    assert capsys.readouterr().err == (
        "60/100 answers, 0.5 answers/s, at most 1:20 left, iteration 2, rank correlation 0.9877\n"
    )


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    with progress() as meter:
        meter.start(100)
        meter.advance(100)
    assert "100/100 answers" in capsys.readouterr().err
