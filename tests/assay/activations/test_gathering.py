"""Activations in memory are the model's own hidden states."""

import numpy as np
import pytest
import torch
from support.toy_models import save
from support.toy_tokenizers import gemma3

from assay.activations.gathering import gather
from assay.errors import AssayError
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.records import PromptRecord

TEXTS = ["the cat sat on the mat", "Rome", "is the city of Rome north of Oslo?", "a dog ran"]
RECORDS = [PromptRecord(str(i), text=text) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(
        make_pin(ModelEntry("toy", str(save(tmp_path_factory.mktemp("m"), "gemma3_text", gemma3()))))
    )


def read(
    loaded: LoadedModel, records: list[PromptRecord], position: str, budget: int = 4096
) -> list[np.ndarray]:
    found = gather(
        loaded.model, loaded.architecture, loaded.tokenizer, records,
        site="resid", layers=[0, 1], position=position, token_budget=budget,
    )  # fmt: skip
    return [one.rows for one in found]


@pytest.mark.parametrize("budget", [1, 12, 4096])
def test_rows_are_hidden_states_in_the_order_of_records(loaded: LoadedModel, budget: int) -> None:
    for record, rows in zip(RECORDS, read(loaded, RECORDS, "prompt[1:]", budget), strict=True):
        ids = torch.tensor([[2, *loaded.tokenizer(record.text, add_special_tokens=False)["input_ids"]]])
        with torch.no_grad():
            states = loaded.model(ids, output_hidden_states=True).hidden_states
        expected = torch.stack([states[layer + 1][0, 1:] for layer in (0, 1)], dim=1)
        np.testing.assert_allclose(rows, expected.numpy(), atol=1e-5)


def test_what_cannot_be_read_is_refused(loaded: LoadedModel) -> None:
    with pytest.raises(AssayError, match="no record"):
        read(loaded, [], "all")
    with pytest.raises(AssayError, match=r"'long' has .* tokens, the model reads at most 64"):
        read(loaded, [*RECORDS, PromptRecord("long", text="the cat " * 40)], "all")
