"""The pin stage and what `--model` means, on the command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import toy_models, toy_tokenizers

from assay.errors import AssayError
from stages.pin import app
from stages.shared import cli
from stages.shared.models import read_registry, resolve_model

ROOT = Path(__file__).parents[2]
PARAMS = """
models:
  toy:
    source: data/toy
  half:
    source: data/toy
    dtype: float16
  absent:
    source: data/organism/chat
"""


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    return toy_models.save(tmp_path_factory.mktemp("models") / "toy", "gemma3_text", toy_tokenizers.gemma3())


@pytest.fixture
def project(gemma, tmp_path, monkeypatch):
    """A repository with a model folder and a params file; the working directory."""
    shutil.copytree(gemma, tmp_path / "data" / "toy")
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pin(
    monkeypatch, capsys, *, model: str = "toy", params: str = "params.yaml", out: str = "data/models/pin.json"
):
    """Exit status and stderr of the stage, run in this process because importing the model library takes seconds."""
    monkeypatch.setattr(sys, "argv", ["pin", "--model", model, "--params", params, "--out", out])
    with pytest.raises(SystemExit) as stopped:
        cli.run(app)
    return stopped.value.code or 0, capsys.readouterr().err


def pin_process(folder: Path, model: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "stages.pin",
        "--model",
        model,
        "--params",
        "params.yaml",
        "--out",
        "pin.json",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_pin_is_written_relative_and_the_same_every_time(project, monkeypatch, capsys):
    assert pin(monkeypatch, capsys) == (0, "")
    path = project / "data" / "models" / "pin.json"
    first = path.read_bytes()
    assert json.loads(first)["source"] == "data/toy"
    assert str(project).encode() not in first
    path.unlink()
    assert pin(monkeypatch, capsys) == (0, "")
    assert path.read_bytes() == first


def test_only_the_params_file_turns_on_remote_code(project, monkeypatch, capsys):
    pin(monkeypatch, capsys, out="pin.json")
    value = json.loads((project / "pin.json").read_text())
    del value["digest"]  # whoever changes a pin leaves it out
    (project / "pin.json").write_text(json.dumps(value | {"trust_remote_code": True}))
    params = project / "params.yaml"
    trusted = PARAMS.replace("source: data/toy\n", "source: data/toy\n    trust_remote_code: true\n", 1)
    for text in (PARAMS, trusted.replace("toy:", "other:"), trusted.replace("data/toy", "data/other", 1)):
        params.write_text(text)
        with pytest.raises(
            AssayError, match=r"pin\.json turns on trust_remote_code, which only .*params\.yaml may"
        ):
            resolve_model("pin.json", params)
    params.unlink()
    with pytest.raises(AssayError, match=r"params\.yaml does not exist"):
        resolve_model("pin.json", params)
    params.write_text(trusted)
    assert resolve_model("pin.json", params).trust_remote_code


@pytest.mark.usefixtures("project")
def test_alias_folder_and_pin_file_mean_the_same_model(monkeypatch, capsys):
    pin(monkeypatch, capsys, out="pin.json")
    alias = resolve_model("toy", Path("params.yaml"))
    assert resolve_model("pin.json", Path("no-such-params.yaml")) == alias
    folder = resolve_model("data/toy", Path("no-such-params.yaml"))
    assert resolve_model("data/toy", Path("params.yaml")) == folder
    assert folder.fingerprint == alias.fingerprint
    assert folder.alias == "toy"


@pytest.mark.parametrize(
    ("change", "model", "message"),
    [
        ("", "toi", "error: there is no model 'toi' (did you mean 'toy'?); known aliases: toy, half, absent"),
        (
            "  typo:\n    source: a/b\n    reviison: main\n",
            "toy",
            "params.yaml: models.typo: unknown key 'reviison' (did you mean 'revision'?)",
        ),
        (
            "  typo:\n    sorce: a/b\n",
            "toy",
            "params.yaml: models.typo: unknown key 'sorce' (did you mean 'source'?)",
        ),
        ("  typo: {}\n", "toy", "params.yaml: models.typo: the key 'source' is missing"),
        (" typo: [\n", "toy", "params.yaml is not valid YAML"),
    ],
)
def test_bad_params_on_the_real_command_line(project, change, model, message):
    (project / "params.yaml").write_text(PARAMS + change)
    (project / "pin.json").write_text("earlier")
    done = pin_process(project, model)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "pin.json").read_text() == "earlier"


def test_a_params_file_without_models(project):
    (project / "params.yaml").write_text("model: toy\nmodel_s: {}\n")
    with pytest.raises(AssayError, match=r"params\.yaml has no section `models:`"):
        read_registry(Path("params.yaml"))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("half", "error: models.half.dtype: float16 is refused for gemma3_text: its activations exceed"),
        (
            "absent",
            "error: data/organism/chat is not a Hugging Face model folder (it has no config.json); check the path",
        ),
        ("data", "error: data is not a Hugging Face model folder"),
        ("no.json", "error: no.json does not exist"),
    ],
)
def test_bad_models_leave_the_earlier_pin_alone(project, monkeypatch, capsys, model, message):
    (project / "pin.json").write_text("earlier")
    code, error = pin(monkeypatch, capsys, model=model, out="pin.json")
    assert code == 1
    assert message in error
    assert (project / "pin.json").read_text() == "earlier"


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"alias": "x"}'])
def test_a_file_that_is_no_pin(project, text):
    (project / "pin.json").write_text(text)
    with pytest.raises(AssayError, match=r"^pin\.json[: ]"):
        resolve_model("pin.json", Path("params.yaml"))


def test_the_registry_of_this_repository_has_the_ready_entries():
    registry = read_registry(ROOT / "params.yaml")
    gemma = [f"gemma-3-{size}-{kind}" for size in ("270m", "1b", "4b", "12b", "27b") for kind in ("it", "pt")]
    others = ["organism", "organism-base", "gemma-2-2b", "gemma-2-9b", "llama-3.1-8b", "qwen3-4b", "qwen3-8b"]
    assert set(gemma + others) <= set(registry)
    assert registry["organism"].base == "organism-base"
    assert registry["smollm2-135m-it"].source.startswith("pypi:")
    assert not any(entry.trust_remote_code for entry in registry.values())
    assert {entry.dtype for entry in registry.values()} == {None}
