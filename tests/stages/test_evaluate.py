"""Open answers of a model and of its adapters, graded; and what `extract` says of a pooled first token."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.stage_runner import run_stage
from support.toy_adapters import save_toy_lora, save_toy_vectors
from support.toy_models import save
from support.toy_tokenizers import gemma3

from assay.models.loading import load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.records import PromptRecord, Span, write_records

TEXTS = ("the cat sat", "the dog sat", "a cat ran", "the cat ran", "a dog")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("open")
    save(made / "model", "gemma3_text", gemma3())
    loaded = load_model(make_pin(ModelEntry("model", str(made / "model"))))
    save_toy_vectors(made / "vector", loaded, 1, ("a",))
    save_toy_lora(made / "lora", loaded, (1,))
    prompts = [
        PromptRecord(f"p{n}", text=text, spans={"a": (Span((0, 0, 3)),)}) for n, text in enumerate(TEXTS)
    ]
    write_records(made / "prompts.jsonl", prompts)
    return made


def test_adapters_and_their_random_controls_are_graded_beside_the_base_model(folder):
    adapters = [word for name in ("vector", "lora") for word in ("--adapter", f"{name}={folder / name}")]
    status = run_stage(
        "evaluate", "--model", folder / "model", "--questions", f"open={folder / 'prompts.jsonl'}", *adapters,
        "--grader", "length", "--random", 2, "--max-new-tokens", 5, "--out", folder / "e.json",
        "--records", folder / "e.csv", "--params", folder / "none.yaml",
    )  # fmt: skip
    assert status == 0
    numbers = json.loads((folder / "e.json").read_text())
    answers = pd.read_csv(folder / "e.csv")
    assert set(answers.adapter) == {"base", "vector", "lora", "vector_random", "lora_random"}
    means = answers.groupby("adapter").score.mean()
    assert numbers["open_base_score"] == pytest.approx(means["base"])
    assert numbers["open_lora_score_minus_base"] == pytest.approx(means["lora"] - means["base"])
    assert numbers["open_vector_random_score_n"] == 2  # draws
    assert numbers["open_scores_ok"] == len(answers) == 5 * 7


@pytest.mark.parametrize(("position", "pooling", "pooled"), [("all", "mean", 5), ("prompt[1:]", "mean", 0)])
def test_a_pooled_first_token_is_said_and_counted(
    folder, tmp_path, capsys, monkeypatch, position, pooling, pooled
):
    monkeypatch.chdir(tmp_path)
    words = [
        "--model", folder / "model", "--params", "none.yaml", "--prompts", folder / "prompts.jsonl", "--site", "resid",
        "--layers", "1", "--position", position, "--pooling", pooling, "--out", "a.h5", "--metrics", "a.json",
    ]  # fmt: skip
    assert run_stage("extract", *words) == 0
    assert ("pools the first token" in capsys.readouterr().err) == (pooled > 0)
    assert json.loads((tmp_path / "a.json").read_text()).get("first_token_pooled", 0) == pooled
