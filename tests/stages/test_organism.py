import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from assay.errors import AssayError
from assay.organism.certificate import read_certificate, recipe_hash
from assay.organism.organism import Checkpoint
from assay.prompts.documents import python_docs, split_documents
from assay.storage.files import hash_folder
from stages import organism as stage

ROOT = Path(__file__).parents[2]
CERTIFIED = ROOT / "data/inputs/organism"
TINY = {
    "text": {"seed": 0, "test_fraction": 0.2},
    "world": {
        "seed": 0,
        "sizes": {"countries": 5, "cities_per_country": 2, "languages": 5, "foods": 5, "people": 5, "films_per_person": 1},
        "draws": {"facts": 4, "directions": 4, "options": 40, "tasks": 1},
        "heldout_draws": {"facts": 2, "directions": 2, "options": 1, "tasks": 1},
    },
    "organism": {
        "seed": 0,
        "vocab_size": 900,
        "shape": {
            "n_layers": 2, "d_model": 16, "d_mlp": 16, "n_heads": 2, "n_kv_heads": 1, "head_dim": 8, "sliding_window": 32,
            "look_back_layers": 0,
        },
        "optimisation": {
            "rows": 8, "length": 160, "shards": 2, "matrix_lr": 0.02, "vector_lr": 0.01, "warmup": 3,
            "prompt_weight": 0.1, "answer_weight": 4.0, "precision": "float32", "compile": False,
        },
        "primer": {"rate": 1.0, "prose": 0.0, "examples": {"options": {"lookup": 1.0}}},
        "base": {"rate": 1.0, "prose": 0.01, "examples": {"facts": {"statement": 1.0}}},
        "quiz": {"rate": 0.5, "prose": 0.0, "examples": {"facts": {"named": 0.5}}},
        "chat": {"rate": 0.5, "prose": 0.0, "examples": {"facts": {"question": 1.0, "choice": 0.5}, "directions": {"yesno": 1.0}, "tasks": {"preference": 0.2}}},
    },
}  # fmt: skip


def run_stage(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def run_organism(folder: Path, params: dict[str, object]) -> subprocess.CompletedProcess[str]:
    YAML().dump(params, folder / "params.yaml")
    return run_stage(
        "stages.organism", "--world", folder / "world", "--params", folder / "params.yaml", "--certified", CERTIFIED,
        "--out", folder / "organism", "--plots", folder / "plots",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder where both stages ran on the tiny settings."""
    folder = tmp_path_factory.mktemp("made")
    YAML().dump(TINY, folder / "params.yaml")
    done = run_stage("stages.world", "--params", folder / "params.yaml", "--out", folder / "world")
    assert done.returncode == 0, done.stderr
    done = run_organism(folder, TINY)
    assert done.returncode == 0, done.stderr
    assert "not those of the certified organism: training another one" in done.stderr
    assert "\nbase: " in done.stderr  # plain progress lines, since stderr is no terminal
    done = run_stage(
        "stages.score", "--world", folder / "world", "--organism", folder / "organism",
        "--metrics", folder / "organism.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_stage_leaves_checkpoints_metrics_and_plots(made):
    for phase in ("base", "chat"):
        names = {path.name for path in (made / "organism" / phase).iterdir()}
        assert {
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "generation_config.json",
        } <= names
    assert {path.name for path in (made / "plots").iterdir()} == {"loss.csv", "accuracy.csv", "curves.png"}


def test_metrics_are_flat_and_every_estimate_has_its_interval(made):
    metrics = json.loads((made / "organism.json").read_text())
    assert all(isinstance(value, int | float) for value in metrics.values())
    names = {name for name in metrics if not name.endswith(("_lo", "_hi", "_n"))}
    assert {"base_facts_statement", "chat_facts_choice", "chat_directions_latitude_yesno"} <= names
    for name in names:
        assert 0 <= metrics[f"{name}_lo"] <= metrics[name] <= metrics[f"{name}_hi"] <= 1
        assert metrics[f"{name}_n"] > 0


def test_files_hold_bfloat16_and_the_scored_model_is_what_they_hold(made):
    weights = load_file(made / "organism/chat/model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    loaded = Checkpoint.load(made / "organism/chat", "chat").model
    assert torch.equal(loaded.model.embed_tokens.weight, weights["model.embed_tokens.weight"].float())


def test_the_certified_recipe_gives_the_certified_weights_and_no_training(tmp_path):
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    certificate = read_certificate(CERTIFIED)
    assert recipe_hash(params) == certificate.recipe
    done = run_organism(tmp_path, params)
    assert done.returncode == 0, done.stderr
    assert "training" not in done.stderr
    assert {
        phase: hash_folder(tmp_path / "organism" / phase) for phase in ("base", "chat")
    } == certificate.weights
    for name in ("loss.csv", "accuracy.csv"):
        assert (tmp_path / "plots" / name).read_bytes() == (CERTIFIED / name).read_bytes()


def test_another_seed_is_another_recipe():
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["organism"]["seed"] = 1
    assert recipe_hash(params) != read_certificate(CERTIFIED).recipe


def test_weights_that_are_not_the_certified_ones_are_refused(tmp_path):
    for phase in ("base", "chat"):
        shutil.copytree(CERTIFIED / phase, tmp_path / phase)
    shutil.copy(CERTIFIED / "certificate.json", tmp_path)
    certificate = read_certificate(tmp_path)
    certificate.check_weights(tmp_path)
    (tmp_path / "chat/config.json").write_text("{}")
    with pytest.raises(
        AssayError, match=r"chat is not what its certificate describes; restore it with `git checkout"
    ):
        certificate.check_weights(tmp_path)


@pytest.mark.parametrize("change", [{"seed": None}, {"sead": 1}])
def test_a_malformed_certificate_names_the_field(tmp_path, change):
    value = json.loads((CERTIFIED / "certificate.json").read_text())
    for name, new in change.items():
        value.pop(name, None)
        if new is not None:
            value[name] = new
    (tmp_path / "certificate.json").write_text(json.dumps(value))
    with pytest.raises(AssayError, match=next(iter(change))):
        read_certificate(tmp_path)


def test_only_the_train_split_is_trained_on(made, monkeypatch):
    """What reaches the training, tokenizer included, shares no document with the split that studies test on."""
    seen = []

    def spy(_settings, corpus, _watchers):
        seen.append(corpus)
        return iter(())

    monkeypatch.setattr("assay.organism.organism.train_organism", spy)
    YAML().dump(TINY, made / "params.yaml")
    monkeypatch.setattr(
        "assay.figures.training_curves.draw_training_curves", lambda *_: None
    )  # nothing was trained
    stage.organism(made / "world", made / "params.yaml", CERTIFIED, made / "x", made / "x_plots")
    train, test = split_documents(python_docs(), seed=0, test_fraction=0.2)
    (corpus,) = seen
    assert list(corpus.documents) == train
    held = {line for document in test for line in document.text.split("\n\n") if len(line) > 60}
    trained = {line for document in corpus.documents for line in document.text.split("\n\n")}
    assert not held & trained
    assert {example.split for example in corpus.examples} == {"train"}


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("organism", {"sead": 1}, "organism: unknown sead"),
        ("organism", {"vocab_size": 400}, "vocab_size 400 leaves"),
        ("text", {"test_fraction": 2.0}, "test_fraction must lie between 0 and 1"),
        ("organism", {"base": {"rate": 1.0, "prose": 0.1}}, "organism.base: missing examples"),
        (
            "organism",
            {"base": {"rate": 1.0, "prose": 0.0, "examples": {"facts": {"song": 1.0}}}},
            "no 'song' examples",
        ),
    ],
)
def test_bad_params_give_one_clear_error_and_keep_what_was_there(made, section, changes, message):
    before = (made / "organism.json").read_bytes(), (made / "organism/chat/model.safetensors").read_bytes()
    done = run_organism(made, TINY | {section: TINY[section] | changes})
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (
        (made / "organism.json").read_bytes(),
        (made / "organism/chat/model.safetensors").read_bytes(),
    ) == before


def test_a_missing_world_names_the_stage_to_run(tmp_path):
    done = run_organism(tmp_path, TINY)
    assert done.returncode == 1
    assert "run the world stage" in done.stderr or "check the path" in done.stderr
