import pytest

from assay.organism.training import Step
from stages.shared import display
from stages.shared.training_progress import training_progress


def step(phase: str, number: int, *, loss: float) -> Step:
    return Step(phase, number, 4, tokens=300, loss=loss, losses={})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def test_each_phase_is_timed_by_itself_and_ends_with_a_line(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with training_progress() as watch:
        for number in range(4):
            watch(step("base", number, loss=3 - number), lambda: None)
            clock[0] += 10.0
        watch(step("chat", 0, loss=1.0), lambda: None)
        clock[0] += 3.0
        watch(step("chat", 3, loss=0.5), lambda: None)
    assert capsys.readouterr().err == (
        "base: 3/4, loss 1.000, 30 tokens/s, 0:10 left\n"
        "base: 4/4, loss 0.000, 30 tokens/s, 0:00 left\n"
        "chat: 4/4, loss 0.500, 100 tokens/s, 0:00 left\n"
    )


def test_a_bar_for_each_phase_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    with training_progress() as watch:
        watch(step("base", 3, loss=2.0), lambda: None)
        watch(step("chat", 1, loss=1.0), lambda: None)
    shown = capsys.readouterr().err
    assert all(
        text in shown for text in ("base", "4/4, loss 2.000", "100%", "chat", "2/4, loss 1.000", " 50%")
    )
