"""Pinning and loading folders. What concerns the hub is in test_hub.py."""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import toy_models, toy_tokenizers

from assay.errors import AssayError
from assay.models.architecture import FAMILIES
from assay.models.loading import choose_dtypes, load_model, load_tokenizer, make_pin, runtime_dtype
from assay.models.registry import ModelEntry
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode

TOKENIZERS = {
    "gemma2": toy_tokenizers.gemma2,
    "gemma3_text": toy_tokenizers.gemma3,
    "gemma3": toy_tokenizers.gemma3,
    "llama": toy_tokenizers.llama3,
    "mistral": toy_tokenizers.mistral,
    "qwen2": toy_tokenizers.qwen3,
    "qwen3": toy_tokenizers.qwen3,
    "gpt2": toy_tokenizers.gpt2,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {name: toy_models.save(root / name, name, build()) for name, build in TOKENIZERS.items()}


@pytest.fixture
def llama(folders, tmp_path, monkeypatch):
    """A copy to damage, addressed by a relative path as in params.yaml."""
    shutil.copytree(folders["llama"], tmp_path / "models" / "llama" / "chat")
    monkeypatch.chdir(tmp_path)
    return ModelEntry(alias="toy", source="models/llama/chat", base=None)


@pytest.mark.parametrize("name", toy_models.FAMILIES)
def test_pin_and_load_every_family(folders, name):
    pin = make_pin(ModelEntry(alias=name, source=str(folders[name])))
    tokenizer = TOKENIZERS[name]()
    sizes = (pin.n_layers, pin.d_model, pin.n_heads, pin.d_mlp, pin.vocab_size)
    assert sizes == (3, 16, 4, 24, len(tokenizer))
    assert pin.n_kv_heads == (4 if name == "gpt2" else 2)
    assert pin.model_type == name
    loaded = load_model(pin)
    assert loaded.architecture.sizes.d_mlp == pin.d_mlp
    assert next(loaded.model.parameters()).dtype == torch.float32 or torch.cuda.is_available()
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    record = PromptRecord(
        id="r", messages=({"role": "user", "content": "What is the capital?"},), response="Paris"
    )
    encoding = encode(loaded.tokenizer, record)
    assert encoding.ids.tolist() == encode(tokenizer, record).ids.tolist(), (
        "saving and loading changes nothing"
    )
    with torch.no_grad():
        logits = loaded.model(input_ids=torch.tensor(encoding.ids, device=loaded.device)[None]).logits
    assert torch.isfinite(logits).all()


def test_a_pin_is_deterministic_and_holds_no_machine_path(llama, tmp_path):
    pin = make_pin(llama)
    assert make_pin(llama) == pin
    assert pin.source == "models/llama/chat"
    assert str(tmp_path) not in json.dumps(pin.to_json())
    assert (pin.kind, pin.revision) == ("folder", None)


def test_a_changed_folder_is_refused(llama):
    pin = make_pin(llama)
    generation = "models/llama/chat/generation_config.json"
    with open(generation, "a") as handle:
        handle.write("\n")
    with pytest.raises(
        AssayError, match=r"models/llama/chat has changed since it was pinned; rerun the pin stage"
    ):
        load_model(pin)
    assert make_pin(llama).fingerprint != pin.fingerprint


@pytest.mark.parametrize("name", ["n_layers", "d_model", "d_mlp", "vocab_size", "context_length"])
def test_a_pin_that_says_something_else_than_the_config_is_refused(llama, name):
    pin = make_pin(llama)
    wrong = dataclasses.replace(pin, **{name: getattr(pin, name) + 1})
    for load in (load_model, load_tokenizer):
        with pytest.raises(AssayError, match=f"says {name} {getattr(pin, name) + 1}, the config of"):
            load(wrong)


def test_another_tokenizer_is_refused(llama):
    pin = make_pin(llama)
    toy_tokenizers.gpt2().save_pretrained(llama.source)
    with pytest.raises(AssayError, match="is not the pinned one"):
        load_tokenizer(pin)
    assert make_pin(llama).tokenizer_hash != pin.tokenizer_hash


def test_the_tokenizer_alone(llama):
    pin = make_pin(llama)
    assert len(load_tokenizer(pin)) == pin.vocab_size


def test_a_missing_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        AssayError, match=r"data/organism/chat is not a Hugging Face model folder.*`dvc repro`"
    ):
        make_pin(ModelEntry(alias="organism", source="data/organism/chat"))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot read the tokenizer of"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot read the config of"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "nonsense"}'),
            "cannot read the config of",
        ),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'),
            "no architecture template for model type 'bert'",
        ),
    ],
)
def test_a_damaged_folder(llama, tmp_path, damage, complaint):
    folder = tmp_path / llama.source
    damage(folder)
    if not (folder / "tokenizer.json").exists():
        (folder / "tokenizer_config.json").unlink()
    with pytest.raises(AssayError, match=complaint):
        make_pin(llama)


def test_a_missing_tensor_is_not_replaced_by_random_numbers(llama, tmp_path):
    weights = tmp_path / llama.source / "model.safetensors"
    tensors = load_file(weights)
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(AssayError, match=r"its weights lack model\.layers\.1\.mlp\.down_proj\.weight"):
        load_model(make_pin(llama))


@pytest.mark.parametrize("damage", ["missing", "truncated", "pickle"])
def test_weights_that_cannot_be_read(llama, tmp_path, damage):
    weights = tmp_path / llama.source / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.unlink()
    if damage == "pickle":
        torch.save({}, weights.with_name("pytorch_model.bin"))
    with pytest.raises(AssayError, match="cannot load models/llama/chat"):
        load_model(make_pin(llama))


@pytest.mark.parametrize(
    ("family", "wanted", "expected"),
    [
        ("gemma3", None, ("float32", "bfloat16")),
        ("gemma3", "bfloat16", ("bfloat16", "bfloat16")),
        ("gemma3_text", "float32", ("float32", "float32")),
        ("llama", "float16", ("float16", "float16")),
    ],
)
def test_dtype_rule(family, wanted, expected):
    entry = ModelEntry(alias="m", source="s", dtype=wanted)
    assert choose_dtypes(entry, FAMILIES[family], family) == expected


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text", "gemma3"])
def test_float16_is_refused_for_gemma_with_the_reason(folders, family):
    with pytest.raises(
        AssayError,
        match=rf"models\.g\.dtype: float16 is refused for {family}.*65,504.*NaN; use bfloat16 or float32",
    ):
        make_pin(ModelEntry(alias="g", source=str(folders[family]), dtype="float16"))


def test_the_entrys_dtype_is_the_models(folders):
    loaded = load_model(make_pin(ModelEntry(alias="m", source=str(folders["qwen3"]), dtype="bfloat16")))
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("available", "bf16", "expected"),
    [(False, False, torch.float32), (True, True, torch.bfloat16), (True, False, torch.float32)],
)
def test_dtype_follows_the_machine(folders, monkeypatch, available, bf16, expected):
    pin = make_pin(ModelEntry(alias="m", source=str(folders["gemma3_text"])))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation
    )
    assert runtime_dtype(pin) == expected
    assert runtime_dtype(dataclasses.replace(pin, dtype_cuda="float32")) == torch.float32


@pytest.mark.parametrize(("free", "expected"), [(10**12, {"": 0}), (10_000, "auto")])
def test_a_model_larger_than_a_gpu_is_spread(folders, monkeypatch, free, expected):
    from assay.models import loading

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free, free))
    assert loading._device_map(folders["llama"]) == expected


def test_gemma2_attention_soft_caps(folders):
    """sdpa cannot: a model loaded with it would compute something else (or refuse)."""
    loaded = load_model(make_pin(ModelEntry(alias="m", source=str(folders["gemma2"]))))
    assert loaded.model.config._attn_implementation == "eager"
    loaded = load_model(make_pin(ModelEntry(alias="m", source=str(folders["gemma3"]))))
    assert loaded.model.config._attn_implementation == "sdpa"


def test_remote_code_is_off_unless_the_entry_turns_it_on(llama, tmp_path):
    """A folder whose config points to code of its own: nothing of it runs, and the error says why."""
    folder = tmp_path / llama.source
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "configuration_evil.EvilConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "configuration_evil.py").write_text(
        "from transformers import LlamaConfig\nopen('ran', 'w').close()\nclass EvilConfig(LlamaConfig):\n    model_type = 'evil'\n"
    )
    with pytest.raises(AssayError, match=r"(?s)cannot read the config.*trust_remote_code"):
        make_pin(llama)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(AssayError, match="no architecture template for model type 'evil'"):
        make_pin(dataclasses.replace(llama, trust_remote_code=True))
    assert (tmp_path / "ran").exists()
