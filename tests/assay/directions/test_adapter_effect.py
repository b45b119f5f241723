"""What LoRA adds, against the residual stream with and without it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.block_output import block_output
from support.toy_adapters import save_toy_lora, save_toy_vectors
from support.toy_models import save
from support.toy_tokenizers import gemma3

from assay.activations.gathering import Activations, gather
from assay.directions.adapter_effect import adapter_effect, without_lora
from assay.errors import AssayError
from assay.finetuning.adapters import open_adapter
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.records import PromptRecord

TEXTS = ["the cat sat on the mat", "is Rome north of Oslo?"]
RECORDS = [PromptRecord(text, text=text) for text in TEXTS]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(
        make_pin(ModelEntry("toy", str(save(tmp_path_factory.mktemp("m"), "gemma3_text", gemma3()))))
    )


def residuals(loaded: LoadedModel, text: str, layer: int, folder: Path | None = None) -> np.ndarray:
    """[tokens, d_model] float64 behind a block, read with a plain hook, under the adapter of `folder` or none."""
    if folder is not None:
        with open_adapter(folder, loaded):
            return residuals(loaded, text, layer)
    return block_output(loaded, loaded.tokenizer(text)["input_ids"], layer)


def test_one_block_is_compared_with_the_base_model(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_lora(tmp_path / "lora", loaded, (1,))
    found = adapter_effect(loaded, folder, RECORDS)
    assert list(found) == [1]
    for text, one in zip(TEXTS, found[1], strict=True):
        expected = residuals(loaded, text, 1, folder) - residuals(loaded, text, 1)
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(one.rows[:, 0], expected, atol=1e-5)


def test_the_baseline_of_several_blocks_keeps_the_earlier_ones(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_lora(tmp_path / "both", loaded, (0, 2))
    earlier = save_toy_lora(tmp_path / "first", loaded, (0, 2), silent=(2,))
    found = adapter_effect(loaded, folder, RECORDS)
    assert list(found) == [0, 2]
    for number, text in enumerate(TEXTS):
        first = residuals(loaded, text, 0, folder) - residuals(loaded, text, 0)
        np.testing.assert_allclose(found[0][number].rows[:, 0], first, atol=1e-5)
        second = residuals(loaded, text, 2, folder) - residuals(loaded, text, 2, earlier)
        np.testing.assert_allclose(found[2][number].rows[:, 0], second, atol=1e-4)
        with_base = residuals(loaded, text, 2, folder) - residuals(loaded, text, 2)
        assert np.abs(with_base - second).max() > 0.01  # the other baseline would show


def test_every_block_is_as_a_pass_that_stops_there(loaded: LoadedModel, tmp_path: Path) -> None:
    """The definition, a pass for each block: the adapter below it, none in it."""
    modules = ("gate", "up", "down", "q", "k", "v", "o")
    layers = tuple(range(loaded.architecture.n_layers))
    folder = save_toy_lora(tmp_path / "all", loaded, layers, modules=modules)
    found = adapter_effect(loaded, folder, RECORDS)
    with open_adapter(folder, loaded) as adapted:

        def read(layer: int) -> list[Activations]:
            return gather(
                adapted.model, adapted.architecture, loaded.tokenizer, RECORDS,
                site="mlp_out", layers=[layer], position="all",
            )  # fmt: skip

        for layer in layers:
            under = read(layer)
            with without_lora(adapted.architecture, layers[layer:]):
                base = read(layer)
            for one, a, b in zip(found[layer], under, base, strict=True):
                assert np.abs(a.rows - b.rows).max() > 0.1
                np.testing.assert_allclose(one.rows, a.rows - b.rows, atol=1e-6)


def test_a_position_chooses_tokens(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_lora(tmp_path / "lora", loaded, (1,))
    every, last = (adapter_effect(loaded, folder, RECORDS, position=p)[1] for p in ("all", "prompt[-1]"))
    for a, b in zip(every, last, strict=True):
        np.testing.assert_allclose(a.rows[-1:], b.rows, atol=1e-6)


def test_the_adapter_is_itself_again_after_an_exception(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_lora(tmp_path / "lora", loaded, (0, 1))
    ids = torch.tensor([[2, 9, 12, 30]])
    plain = loaded.model(ids).logits
    with open_adapter(folder, loaded) as adapted:
        under = adapted.model(ids).logits
        seen = []

        def fail() -> None:
            with without_lora(adapted.architecture, [0, 1, 2]):
                seen.append(adapted.model(ids).logits)
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            fail()
        assert torch.equal(seen[0], plain)
        assert torch.equal(adapted.model(ids).logits, under)
    assert torch.equal(loaded.model(ids).logits, plain)
    assert not torch.equal(under, plain)


def test_vectors_have_no_effect_by_token(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_vectors(tmp_path / "v", loaded, 1, ("a",))
    with pytest.raises(AssayError, match="give a LoRA adapter"):
        adapter_effect(loaded, folder, RECORDS)
