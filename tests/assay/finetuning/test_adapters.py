"""Adapters on disk: what was trained is what is applied again, on a model that is afterwards as it was."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors import safe_open
from support.damage import unnoticed
from support.toy_adapters import info
from support.toy_models import save
from support.toy_tokenizers import gemma3
from transformers import AutoModelForCausalLM

from assay.errors import AssayError
from assay.finetuning.adapters import load_vectors, open_adapter, read_info, save_lora
from assay.finetuning.loop import Point, TrainingSettings
from assay.finetuning.lora import LoraShape, adapted
from assay.finetuning.session import TrainingTask, VectorShape, finetune
from assay.finetuning.trainee import Run
from assay.forward.encoded import Example, make_examples
from assay.generation.generation import generate
from assay.interventions.writing import Row, Writer
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.positions import Layout
from assay.prompts.records import Message, PromptRecord, Span

TEXTS = [("is Rome here", "no"), ("the cat and Rome", "yes it is"), ("where is Rome", "in Oslo")]
RECORDS = [
    PromptRecord(
        id=str(i),
        messages=(Message(role="user", content=text),),
        response=response,
        spans={"rome": (Span((0, text.index("Rome"), text.index("Rome") + 4)),)},
    )
    for i, (text, response) in enumerate(TEXTS)
]
SETTINGS = TrainingSettings(epochs=2, batch=2)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save(tmp_path_factory.mktemp("model"), "gemma3_text", gemma3())
    return load_model(make_pin(ModelEntry(alias="toy", source=str(folder))))


def examples_of(loaded: LoadedModel, scopes: dict[str, str]) -> list[Example]:
    return make_examples(loaded.tokenizer, RECORDS, scopes, context_length=64)


def learn(
    loaded: LoadedModel, shape: VectorShape | LoraShape, folder: Path, runs: list[Run], **task: Any
) -> list[Point]:
    examples = examples_of(loaded, dict(getattr(shape, "scopes", {})))

    def keep(run: int, step: int, write: Any) -> None:
        write(folder / f"{run}-{step}")

    return list(finetune(loaded, shape, runs, TrainingTask(examples, examples, SETTINGS, **task), keep))


def applied_loss(loaded: LoadedModel, folder: Path) -> float:
    """Mean loss over all response tokens under a saved adapter, on the whole model, one record at a time."""
    total, count = 0.0, 0
    with open_adapter(folder, loaded) as adapted, torch.no_grad():
        for example in examples_of(loaded, {"rome": "span:rome"}):
            layout = Layout(len(example.ids), example.prompt_length, {"rome": example.touches["rome"]})
            with Writer(adapted.architecture, adapted.interventions) as writer:
                n = len(example.ids)
                writer.aim([Row(layout, adapted.interventions, 0, n)], n)
                logits = adapted.model(input_ids=torch.from_numpy(example.ids)[None]).logits[0]
            losses = torch.nn.functional.cross_entropy(
                logits[example.prompt_length - 1 : -1], torch.from_numpy(example.labels), reduction="sum"
            )
            total, count = total + float(losses), count + len(example.labels)
    return total / count


SHAPES = {
    "one vector": VectorShape("resid", 1, {"v": "prompt[-1]"}),
    "vectors at spans": VectorShape("mlp_out", 0, {"rome": "span:rome", "end": "response[:1]"}),
    "lora": LoraShape(2, 4, (1, 2), ("gate", "down", "o")),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_loaded_is_what_was_trained(name: str, loaded: LoadedModel, tmp_path: Path) -> None:
    runs = [Run(0, 0.05), Run(1, 0.05)]
    ids = torch.tensor([[2, 9, 12, 30]])
    plain = loaded.model(input_ids=ids).logits
    points = learn(loaded, SHAPES[name], tmp_path, runs, checkpoints=frozenset({0, 2}))
    assert torch.equal(loaded.model(input_ids=ids).logits, plain)
    for number, run in enumerate(runs):
        judged = [p.loss for p in points if p.run == number and p.split == "validation"]
        assert applied_loss(loaded, tmp_path / f"{number}-0") == pytest.approx(judged[0], abs=1e-5)
        assert applied_loss(loaded, tmp_path / f"{number}-2") == pytest.approx(judged[1], abs=1e-5)
        assert applied_loss(loaded, tmp_path / f"{number}-4") == pytest.approx(judged[2], abs=1e-5)
        info = read_info(tmp_path / f"{number}-4")
        assert (info.seed, info.lr, info.step, info.pin) == (run.seed, 0.05, 4, loaded.pin.fingerprint)
    assert torch.equal(loaded.model(input_ids=ids).logits, plain)
    assert not hasattr(loaded.model, "peft_config")


@pytest.mark.parametrize("name", ["one vector", "lora"])
def test_another_byte_in_any_file_is_damage(name: str, loaded: LoadedModel, tmp_path: Path) -> None:
    learn(loaded, SHAPES[name], tmp_path, [Run(0, 0.05)])
    folder = tmp_path / "0-4"

    def read() -> None:
        with open_adapter(folder, loaded):
            pass

    assert {path.name: unnoticed(path, read, flips=40) for path in folder.iterdir()} == {
        path.name: [] for path in folder.iterdir()
    }
    fields = json.loads((folder / "adapter.json").read_text())
    for name in ("digest", "files"):  # as earlier versions wrote it
        fields.pop(name, None)
    (folder / "adapter.json").write_text(json.dumps(fields))
    read()


def test_vector_files_hold_all_to_reapply_them(loaded: LoadedModel, tmp_path: Path) -> None:
    learn(loaded, SHAPES["vectors at spans"], tmp_path, [Run(3, 0.1)])
    adapter = load_vectors(tmp_path / "0-4")
    assert adapter.info == read_info(tmp_path / "0-4")
    assert adapter.info.scopes == {"rome": "span:rome", "end": "response[:1]"}
    assert (adapter.info.site, adapter.info.layers, adapter.info.method) == ("mlp_out", (0,), "vector")
    with safe_open(tmp_path / "0-4" / "vectors.safetensors", framework="pt") as file:
        assert sorted(file.keys()) == ["end", "rome"]
        about = json.loads(file.metadata()["assay.vectors"])
        assert file.get_tensor("rome").dtype == torch.float32
        assert list(file.metadata()) == ["assay.vectors"]  # earlier files stay readable
        rome = adapter.directions["rome"]
        assert rome.vector.tolist() == file.get_tensor("rome").tolist()
    described = json.loads((tmp_path / "0-4" / "adapter.json").read_text())
    assert described.pop("digest") != about.pop("digest")
    assert described == about
    assert about["scopes"] == {"rome": "span:rome", "end": "first_1"}  # the words of earlier files
    assert (rome.layer, rome.info.site, rome.info.pin) == (0, "mlp_out", loaded.pin.fingerprint)
    assert rome.info.method == "learned: seed 3, learning rate 0.1, 4 steps"
    assert rome.info.training == adapter.info.training
    (elsewhere,) = {i.scope for i in adapter.interventions(2.0, "all")}
    assert elsewhere == "all"


def test_peft_loads_the_folder_alone(loaded: LoadedModel, tmp_path: Path) -> None:
    points = learn(loaded, SHAPES["lora"], tmp_path, [Run(0, 0.05)])
    fresh = peft.PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(loaded.pin.source), tmp_path / "0-4"
    )
    total = count = 0
    for example in examples_of(loaded, {}):
        logits = fresh(input_ids=torch.from_numpy(example.ids)[None]).logits[
            0, example.prompt_length - 1 : -1
        ]
        total += torch.nn.functional.cross_entropy(
            logits, torch.from_numpy(example.labels), reduction="sum"
        ).item()
        count += len(example.labels)
    assert total / count == pytest.approx(points[-1].loss, abs=1e-5)


def test_a_lora_folder_does_not_depend_on_the_order_of_a_set(loaded: LoadedModel, tmp_path: Path) -> None:
    """Peft keeps the modules as a set of strings, whose order differs from process to process."""
    names = ["gate_proj", "down_proj", "up_proj"]
    with adapted(loaded.model, loaded.architecture, LoraShape(2, 4, (0,), ("gate", "up", "down")), 0) as lora:
        (config,) = lora.adapted.peft_config.values()
        for folder, order in (("one", names), ("other", names[::-1])):
            config.target_modules = order
            save_lora(tmp_path / folder, lora.adapted, info(loaded, "lora", (0,)))
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / f).iterdir()} for f in ("one", "other")
    )
    assert one == other
    assert json.loads(one["adapter_config.json"])["target_modules"] == sorted(names)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_config_with_a_number_that_is_none_is_refused(
    loaded: LoadedModel, tmp_path: Path, number: str
) -> None:
    with adapted(loaded.model, loaded.architecture, LoraShape(2, 4, (0,), ("gate",)), 0) as lora:
        save_lora(tmp_path / "a", lora.adapted, info(loaded, "lora", (0,)))
    config = tmp_path / "a" / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 4', f'"lora_alpha": {number}'))
    assert number in config.read_text()
    with (
        pytest.raises(AssayError, match=r"adapter_config\.json holds a NaN or an infinity"),
        open_adapter(tmp_path / "a", loaded),
    ):
        pass


def test_generation_under_an_adapter(loaded: LoadedModel, tmp_path: Path) -> None:
    shape = VectorShape("resid", 1, {"v": "prompt[-1]"})
    examples = examples_of(loaded, {"v": "prompt[-1]"})
    task = TrainingTask(examples[:1], [], TrainingSettings(epochs=150, batch=1))
    list(finetune(loaded, shape, [Run(0, 1.0)], task, lambda _run, _step, write: write(tmp_path / "a")))
    with open_adapter(tmp_path / "a", loaded) as adapted:
        (answer,) = generate(
            adapted.model,
            loaded.tokenizer,
            RECORDS[:1],
            max_new_tokens=1,
            interventions=adapted.interventions,
        )
    assert answer.ids[0] == examples[0].labels[0]  # the vector is where it was in training


def test_an_adapter_of_another_model_is_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    learn(loaded, SHAPES["one vector"], tmp_path, [Run(0, 0.1)])
    other = dataclasses.replace(loaded, pin=dataclasses.replace(loaded.pin, content_hash="0" * 64))
    with pytest.raises(AssayError, match="made with another model"), open_adapter(tmp_path / "0-4", other):
        pass
    with pytest.raises(AssayError, match="does not exist"):
        read_info(tmp_path / "none")
    (tmp_path / "0-4" / "vectors.safetensors").write_bytes(b"x")
    with pytest.raises(AssayError, match="not a readable file"):
        load_vectors(tmp_path / "0-4")


def test_a_checkpoint_beyond_the_end_is_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="no step 5 to save: this training has 4"):
        learn(loaded, SHAPES["one vector"], tmp_path, [Run(0, 0.1)], checkpoints=frozenset({5}))
