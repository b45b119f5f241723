"""The sample's half of the study, as dvc.yaml writes it, on a tiny random model: another model in its place runs as well."""

import json
from pathlib import Path

import pytest
import torch
from support import toy_models, toy_tokenizers
from support.preferences.command_line import stage
from support.stage_runner import run_stage
from transformers import LlamaConfig, LlamaForCausalLM

from stages.shared.cli import read_mapping
from tools.pipeline import Pipeline, read_pipeline

ROOT = Path(__file__).parents[3]
TOPICS = ("fiction", "mathematics", "coding", "science", "cooking", "drudgery")
SMALL = {
    "--samples": "8",
    "--repeats": "4",
    "--resamples": "200",
    "--shuffles": "2",
    "--splits": "2",
    "--alphas": "0,3,4",
    "--bt-penalties": "-1,1,2",
}  # fewer draws than params.yaml has


def save_model(folder: Path) -> None:
    """A random Llama that takes long prompts, with a chat template."""
    torch.manual_seed(0)
    words = toy_tokenizers.llama3()
    sizes = {"num_hidden_layers": 2, "max_position_embeddings": 2048, "vocab_size": len(words)}
    config = LlamaConfig(
        hidden_size=toy_models.D_MODEL,
        intermediate_size=toy_models.D_MLP,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.5,
        **sizes,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return read_pipeline(ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder with the sample's inputs (six topics) and a pin of the tiny model."""
    made = tmp_path_factory.mktemp("sample")
    inputs = made / "data/inputs/preferences/sample"
    inputs.mkdir(parents=True)
    for name in ("tasks.csv", "conditions.csv", "shifts.csv"):
        lines = (ROOT / "data/inputs/preferences/sample" / name).read_text().splitlines()
        kept = [line for line in lines if not _elsewhere(name, line)]
        (inputs / name).write_text("\n".join(kept) + "\n")
    params = (ROOT / "params.yaml").read_text().replace("\nlayer: 18", "\nlayer: 1")
    (made / "params.yaml").write_text(params)
    save_model(made / "model")
    return made


def _elsewhere(name: str, line: str) -> bool:
    """Whether a line of tasks or shifts is about a topic that is left out."""
    place = {"tasks.csv": -1, "shifts.csv": 1}.get(name)
    return place is not None and line.split(",")[place] not in (*TOPICS, "topic")


def shortened(words: list[str]) -> list[str]:
    """The same command with fewer draws."""
    return [SMALL.get(before, word) for before, word in zip(["", *words], words, strict=False)]


def test_every_stage_of_the_sample_runs_without_the_standard(pipeline, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path))
    assert (
        run_stage("pin", "--model", "model", "--params", "none.yaml", "--out", "data/models/sample.json") == 0
    )
    own = [one for one in pipeline.stages if one.study == "preferences" and "sample" in one.item]
    assert len(own) > 15
    for one in own:
        assert not [
            path for path in one.deps if "data/organism" in path or "data/world" in path or "standard" in path
        ]
        module = str(one.module).removeprefix("stages.")
        assert run_stage(module, *shortened(one.words)) == 0, one.name
    metrics = folder / "metrics/preferences/sample"
    reliability = json.loads((metrics / "reliability.json").read_text())
    assert {"eval_reliability", "train_ceiling", "eval_order_r"} <= set(reliability)
    assert "eval_wording_corrected_r" in json.loads((metrics / "wording.json").read_text())
    assert json.loads((metrics / "measure_eval.json").read_text())["failures"] == 0
    assert "reported_pearson" in json.loads((metrics / "ood.json").read_text())


def test_tasks_alone_can_be_prepared(folder, monkeypatch):
    """Without conditions there is nothing to ask under them; without shifts nothing is said to be known of them."""
    monkeypatch.chdir(folder)
    given = "data/inputs/preferences/sample"
    plain = (
        "--tasks",
        f"{given}/tasks.csv",
        "--topics",
        "topics.json",
        "--out",
        "alone",
        "--metrics",
        "m.json",
    )
    how = read_mapping(ROOT / "params.yaml")["preferences"]["prepare"]["sample"]
    options = [word for name, value in how.items() for word in (f"--{name}", str(value))]
    topics = (
        "--tasks",
        f"{given}/tasks.csv",
        "--source",
        "field",
        "--out",
        "topics.json",
        "--metrics",
        "t.json",
    )
    assert stage("topics", *topics) == 0
    assert stage("prepare", *plain, *options) == 0
    assert Path("alone/chat.jsonl").exists()
    assert not Path("alone/ood.jsonl").exists()
    assert stage("prepare", *plain, *options, "--conditions", f"{given}/conditions.csv") == 0
    rows = [json.loads(line) for line in Path("alone/ood.jsonl").read_text().splitlines()]
    assert len(rows) > 0
    assert not any("truth" in row for row in rows)


def test_templates_and_labels_that_do_not_fit_are_clear_errors(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path("mine.json").write_text(
        '{"name": "mine", "text": "{task_a} or {task_b}?", "label_a": "x", "labels": 2}'
    )
    given = [
        "--tasks",
        "data/inputs/preferences/sample/tasks.csv",
        "--model",
        "model",
        "--temperature",
        "1",
        "--seed",
        "0",
    ]
    given += [
        "--samples",
        "2",
        "--degree",
        "2",
        "--batch",
        "2",
        "--max-iterations",
        "1",
        "--threshold",
        "0.9",
    ]
    given += ["--out", "c.parquet", "--failures", "f.jsonl", "--metrics", "m.json"]
    for options, message in (
        (["--mode", "constrained", "--template", "none"], "there is no template 'none'"),
        (["--mode", "constrained", "--template", "mine.json"], "mine.json: field 'labels' is none of"),
        (["--mode", "label-probability", "--template", "plain_text"], "only --mode constrained"),
        (["--mode", "constrained", "--labels", "A"], "two labels with a comma"),
        (["--mode", "constrained", "--labels", "A,A"], "begin with the other"),
    ):
        assert stage("measure", *given, *options) != 0
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert message in said
        assert said.count("\n") == 1
