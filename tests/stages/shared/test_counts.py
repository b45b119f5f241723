import pytest
from support.stage_runner import run_stage


@pytest.mark.parametrize(
    ("stage", "option", "value", "says"),
    [
        ("oocr.prepare", "--passes", "0", "greater than or equal to 1"),
        ("oocr.location_rows", "--held-out", "0", "greater than or equal to 1"),
        ("oocr.function_rows", "--rows", "0", "greater than or equal to 1"),
        ("contexts", "--top", "0", "greater than or equal to 1"),
        ("finetune", "--epochs", "-1", "greater than or equal to"),
        ("finetune", "--seed", "-1", "greater than or equal to 0"),
        ("preferences.fit", "--resamples", "0", "greater than or equal to 1"),
        ("preferences.fit", "--resamples", "1000000000000", "more than 100,000, the most whose intervals"),
        ("preferences.fit", "--resamples", "many", "valid integer"),
        ("finetune", "--lr", "nan", "nan is no learning rate, which is a number between 0 and 1000"),
        ("finetune", "--lr", "1e308", "1e+308 is no learning rate"),
        (
            "preferences.fit",
            "--smoothing",
            "-0.5",
            "-0.5 is no number of choices to add, which is a number from 0",
        ),
        ("preferences.prepare", "--evaluation", "1", "1 is no share, which is a number between 0 and 1"),
        (
            "preferences.measure",
            "--temperature",
            "1e-308",
            "1e-308 is no temperature, which is 0 or a number from 0.001",
        ),
        ("preferences.measure", "--timeout", "inf", "inf is no number of seconds"),
        (
            "preferences.measure",
            "--threshold",
            "1.5",
            "1.5 is no correlation, which is a number from -1 to 1",
        ),
        ("tokens.probe", "--decay", "-inf", "-inf is no penalty"),
    ],
)
def test_a_count_out_of_bounds_is_one_line(
    stage: str, option: str, value: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage(stage, option, value) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: Invalid value for '{option}'")
    assert says in line
    assert line.endswith(" See --help")


def test_a_missing_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stage("pin", "--params", "params.yaml") == 1
    assert capsys.readouterr().err == "error: Missing option '--model'. See --help\n"


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stage("pin", "--help") == 0
    assert "--model" in capsys.readouterr().out
