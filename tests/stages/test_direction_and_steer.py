"""A direction is made, added and graded by three commands, on a tiny random model: against transformers and numpy."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support import toy_models, toy_tokenizers
from support.stage_runner import run_stage

from assay.generation.likelihood import mean_log_probabilities
from assay.interventions.direction import load_direction
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.records import PromptRecord

WORDS = ["the", "cat", "sat", "on", "mat", "dog", "ran", "city", "of", "Rome"]


def texts(kind: int) -> list[str]:
    return [" ".join(WORDS[(kind * 5 + n * k) % 10] for k in range(1, 7)) for n in range(1, 7)]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("steering")
    toy_models.save(made / "model", "llama", toy_tokenizers.llama3())
    for name, kind in (("positive", 1), ("negative", 0)):
        write(
            made / f"{name}.jsonl",
            [{"id": f"{name}-{n}", "text": text} for n, text in enumerate(texts(kind))],
        )
    prompts = [{"id": f"p{n}", "text": " ".join(WORDS[n : n + 4]), "target": WORDS[n]} for n in range(5)]
    write(made / "prompts.jsonl", prompts)
    assert run_stage("direction", *direction_options(made)) == 0
    return made


def direction_options(folder: Path, **changes: object) -> list[object]:
    options: dict[str, object] = {
        "model": folder / "model", "params": "none.yaml", "layers": "0,1", "tokens": "prompt[1:]",
        "positive": folder / "positive.jsonl", "negative": folder / "negative.jsonl",
        "out": folder / "d.safetensors", "metrics": folder / "d.json",
    }  # fmt: skip
    return [
        word
        for name, value in (options | changes).items()
        if value is not None
        for word in (f"--{name}", value)
    ]


def steer_options(folder: Path, **changes: object) -> list[object]:
    options: dict[str, object] = {
        "model": folder / "model", "params": "none.yaml", "direction": folder / "d.safetensors",
        "prompts": folder / "prompts.jsonl", "coefficients": "-1,1,3", "grader": "contains:the", "random": 3,
        "max-new-tokens": 6, "out": folder / "s.json", "table": folder / "s.csv", "figure": folder / "s.png",
        "records": folder / "answers.csv",
    }  # fmt: skip
    return [word for name, value in (options | changes).items() for word in (f"--{name}", value)]


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return load_model(make_pin(ModelEntry("toy", str(folder / "model"))))


def test_the_direction_is_the_difference_of_mean_hidden_states(folder, loaded):
    found = load_direction(folder / "d.safetensors")
    for layer in (0, 1):
        means = []
        for kind in (1, 0):
            rows = []
            for text in texts(kind):
                ids = [1, *loaded.tokenizer(text, add_special_tokens=False).input_ids]
                if loaded.tokenizer.bos_token_id is not None:
                    ids[0] = loaded.tokenizer.bos_token_id
                with torch.no_grad():
                    states = loaded.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
                rows.append(states[layer + 1][0, 1:].mean(0).numpy())
            means.append(np.mean(rows, axis=0))
        assert np.allclose(found.vectors[layer], means[0] - means[1], atol=1e-5)
    metrics = json.loads((folder / "d.json").read_text())
    assert metrics["layer_1_norm"] == pytest.approx(np.linalg.norm(found.vectors[1]), rel=1e-6)
    assert metrics["layer_1_auroc_shuffled_n"] == 20
    assert metrics["records_positive"] == 6


def test_the_first_token_in_a_mean_is_warned_of(folder, capsys, tmp_path):
    out = {"out": tmp_path / "d.safetensors", "metrics": tmp_path / "d.json"}
    assert run_stage("direction", *direction_options(folder, tokens="all", **out)) == 0
    assert "warning: all with mean pools the first token" in capsys.readouterr().err


def test_zero_is_the_model_as_it_is_and_a_dose_changes_answers(folder, loaded):
    assert run_stage("steer", *steer_options(folder)) == 0
    answers = pd.read_csv(folder / "answers.csv", keep_default_na=False)
    assert len(answers) == 5 * (1 + 2 * 3 * (1 + 3))
    for _, row in answers[answers.coefficient == 0].iterrows():
        text = " ".join(WORDS[int(row["item"][1:]) : int(row["item"][1:]) + 4])
        ids = [loaded.tokenizer.bos_token_id, *loaded.tokenizer(text, add_special_tokens=False).input_ids]
        given = torch.tensor([ids])
        made = loaded.model.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=6, do_sample=False
        )[0, len(ids) :]
        assert row.text == loaded.tokenizer.decode(made, skip_special_tokens=True)
    steered = answers[(answers.coefficient == 3) & (answers.draw == "")]
    assert set(steered.text) != set(answers[answers.coefficient == 0].text)
    metrics = json.loads((folder / "s.json").read_text())
    assert metrics["scores_ok"] == len(answers)
    assert {"layer_0_slope", "layer_1_c_3_score_change", "layer_1_c_minus_1_repeats_change_random"} <= set(
        metrics
    )
    table = pd.read_csv(folder / "s.csv")
    assert set(table.kind) == {"direction", "random"}
    assert (folder / "s.png").stat().st_size > 10_000


def test_the_likelihood_of_an_answer_is_that_of_transformers(loaded):
    record = PromptRecord(id="r", text="the cat", response_ids=(5, 9, 11))
    other = PromptRecord(id="s", text="the cat sat on the mat", response_ids=(7,))
    found = mean_log_probabilities(loaded.model, loaded.tokenizer, [record, other])
    for one, value in zip((record, other), found, strict=True):
        prompt = [
            loaded.tokenizer.bos_token_id,
            *loaded.tokenizer(one.text, add_special_tokens=False).input_ids,
        ]
        ids = torch.tensor([[*prompt, *one.response_ids]])
        labels = ids.clone()
        labels[0, : len(prompt)] = -100
        with torch.no_grad():
            assert value == pytest.approx(-float(loaded.model(ids, labels=labels).loss), abs=1e-5)


def test_open_answers_are_graded_by_rule(folder):
    words = [
        "--model", folder / "model", "--params", "none.yaml", "--questions", f"words={folder / 'prompts.jsonl'}",
        "--grader", "contains", "--out", folder / "e.json", "--records", folder / "e.csv", "--max-new-tokens", 4,
    ]  # fmt: skip
    assert run_stage("evaluate", *words) == 0
    metrics = json.loads((folder / "e.json").read_text())
    answers = pd.read_csv(folder / "e.csv", keep_default_na=False)
    held = [WORDS[int(row["item"][1:])].lower() in row.text.lower().split() for _, row in answers.iterrows()]
    assert metrics["words_base_score"] == pytest.approx(np.mean(held))
    assert (metrics["words_scores_ok"], metrics["words_scores_error"]) == (5, 0)


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("steer", {"coefficients": "0"}, "finite coefficient other than 0"),
        ("steer", {"coefficients": "1,x"}, "write numbers with commas between"),
        ("steer", {"grader": "judge"}, "needs --judge-question and --judge-model"),
        ("steer", {"random": 1}, "one random direction has no range"),
        ("direction", {"negative": None}, "give --positive and --negative"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder, capsys, tmp_path, stage, changes, message):
    outs = {"out": tmp_path / "o", "table": tmp_path / "t"} if stage == "steer" else {"out": tmp_path / "o"}
    made = (
        steer_options(folder, **outs, **changes)
        if stage == "steer"
        else direction_options(folder, **outs, **changes)
    )
    assert run_stage(stage, *made) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ")
    assert message in said
    assert not (tmp_path / "o").exists()
