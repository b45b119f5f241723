import pandas as pd
import pytest

from assay.figures import training_curves
from assay.figures.training_curves import draw_training_curves

LOSS = pd.DataFrame(
    [(1e6, "base", "facts-choice", 1.0), (2e6, "base", "facts-choice", 0.5), (1e6, "base", "prose", 3.0),
     (4e6, "chat", "facts-choice", 0.25)],
    columns=["tokens", "phase", "kind", "loss"],
)  # fmt: skip
ACCURACY = pd.DataFrame(
    [(2e6, "base", "facts-choice", 0.5), (4e6, "chat", "facts-choice", 1.0)],
    columns=["tokens", "phase", "form", "accuracy"],
)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    kept = []
    monkeypatch.setattr(training_curves, "save_figure", lambda figure, _: kept.append(figure))
    draw_training_curves(LOSS, ACCURACY, tmp_path / "x.png")
    return {
        (number, axes.get_title()): axes for number, axes in enumerate(kept[0].axes) if axes.get_visible()
    }


def test_a_section_has_loss_above_accuracy_and_phases_are_not_joined(drawn):
    assert [title for _, title in drawn] == ["facts", "prose", "", ""]
    facts = drawn[(0, "facts")]
    curves = [line.get_xydata().tolist() for line in facts.lines if line.get_linestyle() == "-"]
    assert curves == [[[1, 1.0], [2, 0.5]], [[4, 0.25]]]
    assert [line.get_xdata()[0] for line in facts.lines if line.get_linestyle() == ":"] == [2]
    assert [text.get_text() for text in facts.texts] == ["base", "chat"]


def test_a_section_that_was_never_asked_says_so(drawn):
    assert [text.get_text() for text in drawn[(3, "")].texts] == ["not asked"]


def test_the_picture_is_whole(tmp_path):
    draw_training_curves(LOSS, ACCURACY, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
