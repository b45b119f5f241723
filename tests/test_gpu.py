"""The instruments on a GPU against the same on the CPU, which other tests hold against Hugging Face."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers.integrations.accelerate
from support.toy_models import D_MODEL, FAMILIES, save
from support.toy_tokenizers import gemma3, gpt2
from transformers import LlamaConfig, LlamaForCausalLM

from assay.activations.batch_reader import BatchReader
from assay.activations.extraction import extract
from assay.activations.request import Request
from assay.activations.store import open_store
from assay.finetuning.loop import TrainingSettings
from assay.finetuning.lora import LoraShape
from assay.finetuning.session import VectorShape, finetune
from assay.finetuning.trainee import Run
from assay.generation.generation import generate
from assay.interventions.interventions import Intervention
from assay.models import loading
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.models.sites import SITES
from assay.prompts.records import Message, PromptRecord
from assay.prompts.tokenization import encode
from stages.finetune import make_task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

TEXTS = ["the cat", "France is north of Rome.", "no", "is Rome north of Oslo?", "the dog sat"]
RECORDS = [
    PromptRecord(id=f"r{i}", messages=(Message(role="user", content=text),), response="Oslo is north")
    for i, text in enumerate(TEXTS)
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: save(folder / name, name, gpt2() if name == "gpt2" else gemma3()) for name in FAMILIES}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 100 MB, wide enough that a batch of it is felt."""
    folder = tmp_path_factory.mktemp("wide")
    torch.manual_seed(0)
    tokenizer = gemma3()
    config = LlamaConfig(
        hidden_size=512, intermediate_size=4096, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4,
        vocab_size=len(tokenizer), max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def load(folder: Path, dtype: Any = "float32", *, gpu: bool = True) -> LoadedModel:
    """As a stage loads it on a machine with or without a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        if not gpu:
            patch.setattr(torch.cuda, "is_available", lambda: False)
        loaded = load_model(make_pin(ModelEntry(alias="toy", source=str(folder), dtype=dtype)))
    assert loaded.device.type == ("cuda" if gpu else "cpu")
    return loaded


def stored(
    loaded: LoadedModel, path: Path, records: Sequence[PromptRecord] = RECORDS, **changed: Any
) -> np.ndarray:
    """[layers, rows, width] of an extraction, as float32."""
    request = dataclasses.replace(Request("resid", (0, 1, 2), "all", "none", "float32", 64), **changed)
    extract(loaded, records, request, path, scratch=path.parent / "scratch")
    with open_store(path, pin=loaded.pin) as store:
        return np.stack([store.read(layer) for layer in store.layers])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_site_is_read_alike(folders: dict[str, Path], tmp_path: Path, family: str) -> None:
    here, there = load(folders[family]), load(folders[family], gpu=False)
    for site in SITES:
        gpu, cpu = (stored(one, tmp_path / f"{site}.h5", site=site) for one in (here, there))
        np.testing.assert_allclose(gpu, cpu, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("pooling", ["mean", "last", "max"])
def test_every_pooling_is_alike(folders: dict[str, Path], tmp_path: Path, pooling: str) -> None:
    here, there = (load(folders["gemma3_text"], gpu=gpu) for gpu in (True, False))
    gpu, cpu = (stored(one, tmp_path / "a.h5", pooling=pooling) for one in (here, there))
    np.testing.assert_allclose(gpu, cpu, rtol=1e-3, atol=1e-3)


def test_bfloat16_bits_are_those_of_hidden_states(folders: dict[str, Path], tmp_path: Path) -> None:
    """The dtype rule of a GPU, every bit kept: one batch of equally long records, against Hugging Face's own pass."""
    loaded = load(folders["gemma3_text"], None)
    assert loaded.model.dtype == torch.bfloat16
    records = [
        PromptRecord(id=str(i), text=text)
        for i, text in enumerate(["the cat sat on the mat", "the mat sat on the cat"])
    ]
    ids = [encode(loaded.tokenizer, record).ids for record in records]
    assert len(ids[0]) == len(ids[1])
    ours = stored(loaded, tmp_path / "a.h5", records, layers=(0, 1), dtype="bfloat16")
    with torch.no_grad():
        states = loaded.model(torch.from_numpy(np.stack(ids)).cuda(), output_hidden_states=True).hidden_states
    for layer in (0, 1):
        assert np.array_equal(ours[layer], states[layer + 1].flatten(0, 1).float().cpu().numpy())


@pytest.fixture
def crowded(wide: Path) -> Iterator[LoadedModel]:
    """The wide model on a GPU of which this process may take 400 MB more than its weights."""
    loaded = load(wide)
    torch.cuda.empty_cache()
    free = torch.cuda.memory_reserved() + 400 * 2**20
    torch.cuda.set_per_process_memory_fraction(free / torch.cuda.get_device_properties(0).total_memory)
    yield loaded
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_batch_that_does_not_fit_is_halved(crowded: LoadedModel, tmp_path: Path) -> None:
    records = [PromptRecord(id=str(i), text=" ".join(["the cat sat on the mat"] * 15)) for i in range(512)]
    tokens = 512 * len(encode(crowded.tokenizer, records[0]).ids)
    assert tokens * 4096 * 4 > 600 * 2**20  # one activation of an MLP is more than there is
    ids = [encode(crowded.tokenizer, record).ids for record in records]
    places = [np.array([len(one) - 1]) for one in ids]
    with (
        BatchReader(
            crowded.model, crowded.architecture, "resid", [1], pooling="last", dtype="float32"
        ) as reader,
        pytest.raises(torch.OutOfMemoryError),
    ):
        reader.read([record.id for record in records], ids, places)
    shape = {"layers": (1, 3), "position": "prompt[-1]", "pooling": "last"}
    whole = stored(crowded, tmp_path / "a.h5", records, token_budget=10**6, **shape)
    small = stored(crowded, tmp_path / "b.h5", records[:8], token_budget=2048, **shape)
    np.testing.assert_allclose(whole[:, :8], small, rtol=1e-3, atol=1e-3)


def test_a_model_larger_than_the_gpu_is_spread_and_reads_alike(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """accelerate is told of less memory than there is; the blocks that do not fit run from the CPU's memory."""
    torch.cuda.empty_cache()  # transformers counts reserved memory as free
    monkeypatch.setattr(loading, "_HEADROOM", 0.0)
    assert loading._device_map(wide) == "auto"
    monkeypatch.setattr(
        transformers.integrations.accelerate,
        "accelerate_max_memory",
        lambda *_: {0: 70 * 2**20, "cpu": 2**33},
    )
    spread = load_model(make_pin(ModelEntry(alias="toy", source=str(wide), dtype="float32")))
    assert {str(device) for device in spread.model.hf_device_map.values()} >= {"0", "cpu"}
    ours = stored(spread, tmp_path / "a.h5")
    np.testing.assert_allclose(ours, stored(load(wide, gpu=False), tmp_path / "b.h5"), rtol=1e-3, atol=1e-3)


def test_answers_under_interventions_are_alike(folders: dict[str, Path]) -> None:
    """Greedy answers token for token; a coefficient of zero changes none of them."""
    vector = 3.0 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0))
    prompts = [dataclasses.replace(record, response=None) for record in RECORDS]

    def answers(loaded: LoadedModel, *coefficients: float) -> list[tuple[int, ...]]:
        configs = {str(c): [Intervention("add", "resid", 1, c, "all", vector)] for c in coefficients} or None
        made = generate(loaded.model, loaded.tokenizer, prompts, interventions=configs, max_new_tokens=9)
        return [one.ids for one in made]

    here, there = (load(folders["gemma3_text"], gpu=gpu) for gpu in (True, False))
    assert answers(here, 0.0) == answers(here)
    assert answers(here, 0.0, 2.0, -2.0) == answers(there, 0.0, 2.0, -2.0)
    assert answers(here, 2.0) != answers(here)


@pytest.mark.parametrize("method", ["vector", "lora"])
def test_training_is_alike(folders: dict[str, Path], method: str) -> None:
    shape = (
        VectorShape("resid", 1, {"vector": "prompt[-1]"})
        if method == "vector"
        else LoraShape(2, 4, (1, 2), ("up", "down"))
    )
    settings = TrainingSettings(
        epochs=12,
        batch=5,
        warmup=1,
        decay=True,
        order_seed=0,
        validate_every=0,
        token_budget=256,
        cache_bytes=2**20,
    )
    curves = []
    for gpu in (True, False):
        loaded = load(folders["gemma3_text"], gpu=gpu)
        task = make_task(loaded, [RECORDS], shape, settings, [])
        curves.append(
            [point.loss for point in finetune(loaded, shape, [Run(0, 0.05)], task, lambda *_: None)]
        )
    np.testing.assert_allclose(*curves, rtol=1e-3)
    assert curves[0][-1] < curves[0][0]
