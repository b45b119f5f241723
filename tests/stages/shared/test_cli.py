import subprocess
import sys

import pytest
import typer

from assay.errors import AssayError
from stages.shared.cli import read_mapping, run


def app_raising(error):
    app = typer.Typer()

    @app.command()
    def main():
        raise error

    return app


def test_bad_input_is_one_line_and_status_1(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["stage"])
    with pytest.raises(SystemExit) as stop:
        run(app_raising(AssayError("the file is empty; write something")))
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: the file is empty; write something\n"


def test_an_earlier_word_is_one_line():
    program = (
        "import typer; from stages.shared.cli import run; from assay.prompts.positions import parse_written\n"
        "app = typer.Typer()\n"
        "app.command()(lambda: [parse_written(word) for word in ('prompt_last', 'prompt_last', 'all')] and None)\n"
        "run(app)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: the position 'prompt_last' is now written 'prompt[-1]'\n"


def test_params_are_read_as_yaml_1_2(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("lr: 1e-05\nbig: 1e5\ncountry: no\n")
    assert read_mapping(path) == {"lr": 1e-05, "big": 1e5, "country": "no"}


@pytest.mark.parametrize(
    ("text", "message"), [(None, "does not exist"), ("a: [", "not valid YAML"), ("- 1\n", "mapping")]
)
def test_unreadable_params(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AssayError, match=message):
        read_mapping(path)
