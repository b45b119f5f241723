"""Controls are random, of the trained size, and leave what they are controls of as it was."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from support.oocr.toy_study import lora_adapter, toy, vector_adapter

from assay.errors import AssayError
from assay.evaluation.controls import random_lora, random_vectors, shuffle_responses
from assay.finetuning.adapters import open_adapter
from assay.models.loading import LoadedModel
from assay.prompts.records import PromptRecord


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return toy(tmp_path_factory.mktemp("model"))


def test_random_vectors_have_the_norms_and_places_of_the_trained(loaded: LoadedModel, tmp_path: Path) -> None:
    scopes = {"rome": "span:rome", "last": "prompt[-1]"}
    trained = vector_adapter(tmp_path, loaded, scopes=scopes)
    drawn = [random_vectors(trained, draw) for draw in (0, 1, 0)]
    for control in drawn:
        assert control.info == trained.info
        for name, direction in trained.directions.items():
            drawn_one = control.directions[name]
            assert (drawn_one.layer, drawn_one.info.site) == (direction.layer, direction.info.site)
            norms = [float(np.linalg.norm(one.vector)) for one in (drawn_one, direction)]
            assert norms[0] == pytest.approx(norms[1], rel=1e-5)
            assert abs(drawn_one.cosine(direction)[direction.layer]) < 0.9
    first, second, again = (control.directions for control in drawn)
    assert np.array_equal(first["rome"].vector, again["rome"].vector)
    assert not np.array_equal(first["rome"].vector, second["rome"].vector)
    assert first["rome"].cosine(first["last"])[0] < 0.99


def test_random_lora_has_the_norm_of_the_product(loaded: LoadedModel, tmp_path: Path) -> None:
    lora_adapter(tmp_path, loaded)
    with open_adapter(tmp_path, loaded) as adapted:
        before = {name: value.clone() for name, value in adapted.model.state_dict().items()}
        places = [name.removesuffix("lora_A.default.weight") for name in before if "lora_A" in name]
        assert len(places) == 2

        def product(weights: dict[str, torch.Tensor], place: str) -> torch.Tensor:
            return weights[place + "lora_B.default.weight"] @ weights[place + "lora_A.default.weight"]

        with random_lora(adapted.model, 3):
            now = adapted.model.state_dict()
            changed = {name for name in before if not torch.equal(now[name], before[name])}
            assert changed == {name for name in before if "lora_" in name}
            for place in places:
                trained, control = product(before, place), product(now, place)
                assert control.norm() == pytest.approx(float(trained.norm()), rel=1e-4)
                assert abs(float((control * trained).sum() / trained.norm() ** 2)) < 0.9
        assert all(torch.equal(value, before[name]) for name, value in adapted.model.state_dict().items())


def test_shuffled_responses_keep_prompts_and_counts() -> None:
    records = [PromptRecord(id=str(i), text=f"t{i}", response="AB"[i % 2]) for i in range(40)]
    shuffled = shuffle_responses(records, 0)
    assert [(r.id, r.text) for r in shuffled] == [(r.id, r.text) for r in records]
    assert Counter(r.response for r in shuffled) == Counter(r.response for r in records)
    kept = sum(a.response == b.response for a, b in zip(shuffled, records, strict=True))
    assert 8 < kept < 32  # about half of two equally common answers
    assert shuffle_responses(records, 0) == shuffled != shuffle_responses(records, 1)
    with pytest.raises(AssayError, match="the same response"):
        shuffle_responses(records[::2], 0)
