import pytest

from stages.shared import display
from stages.shared.step_progress import step_progress, stepping


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def test_what_came_before_the_first_step_is_not_its_time(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with step_progress("training") as show:
        clock[0] = 100.0
        show(1, 11, "loss 2.000")
        clock[0] = 120.0
        show(2, 11, "loss 1.000")
        clock[0] = 130.0
        show(3, 11, "loss 0.500")
    assert capsys.readouterr().err == ("training: 1/11, loss 2.000\ntraining: 2/11, loss 1.000, 3:00 left\n")


def test_steps_that_begin_now_are_timed_from_the_start(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with stepping("read out", 4) as tell:
        clock[0] = 20.0
        tell(1, "layers")
    assert capsys.readouterr().err == "read out: 1/4, layers, 1:00 left\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    with stepping("read out", 4) as tell:
        tell(4, "layers")
    shown = capsys.readouterr().err
    assert "read out" in shown
    assert "100%" in shown
    assert "4/4, layers" in shown
