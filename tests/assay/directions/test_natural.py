"""Natural vectors of an adapter: what is left out, what is saved, and that the saved effect is the vector."""

from pathlib import Path

import numpy as np
import pytest
from support.toy_adapters import save_toy_lora
from support.toy_models import save
from support.toy_tokenizers import gemma3, qwen3

from assay.activations.gathering import gather
from assay.directions.adapter_effect import adapter_effect
from assay.directions.mean_difference import VARIANTS, natural_vector
from assay.directions.natural import natural_vectors
from assay.finetuning.adapters import open_adapter
from assay.interventions.writing import Row, Writer
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.positions import Layout
from assay.prompts.records import PromptRecord

RECORDS = [PromptRecord(t, text=t) for t in ("the cat sat on the mat", "is Rome north of Oslo?", "a dog ran")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(
        make_pin(ModelEntry("toy", str(save(tmp_path_factory.mktemp("m"), "gemma3_text", gemma3()))))
    )


def test_bos_and_the_first_token_are_left_out_and_measured(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_lora(tmp_path / "lora", loaded, (0, 2))
    found = natural_vectors(loaded, folder, RECORDS)
    effect = adapter_effect(loaded, folder, RECORDS)
    assert (found.n_leading, found.middle, list(found.layers)) == (2, 2, [0, 2])
    for layer, natural in found.layers.items():
        rows = [one.rows[:, 0].astype(np.float64) for one in effect[layer]]
        kept = np.concatenate([some[2:] for some in rows])
        assert natural.n_tokens == len(kept)
        for variant in VARIANTS:
            np.testing.assert_allclose(natural.vectors[variant], natural_vector(kept, variant), atol=1e-9)
        leading = [np.mean([np.linalg.norm(some[place]) for some in rows]) for place in (0, 1)]
        np.testing.assert_allclose(natural.norm_leading, leading)
        assert natural.norm_mean == pytest.approx(np.linalg.norm(kept, axis=1).mean())
        np.testing.assert_allclose(natural.shown, rows[0])
    direction = found.direction("mean")
    assert (direction.layers, direction.info.site, direction.info.pin) == (
        [0, 2],
        "mlp_out",
        loaded.pin.fingerprint,
    )
    assert direction.info.scales[2] == found.layers[2].norm_mean


def test_the_digest_is_of_the_texts(loaded: LoadedModel, tmp_path: Path) -> None:
    folder = save_toy_lora(tmp_path / "lora", loaded, (1,))
    here, again, other = (
        natural_vectors(loaded, folder, r).training for r in (RECORDS, RECORDS, RECORDS[:2])
    )
    assert here == again != other


def test_a_model_without_bos_gives_up_one_token(tmp_path: Path) -> None:
    loaded = load_model(make_pin(ModelEntry("q", str(save(tmp_path / "m", "qwen3", qwen3())))))
    assert natural_vectors(loaded, save_toy_lora(tmp_path / "lora", loaded, (1,)), RECORDS).n_leading == 1


def test_the_effect_adds_the_vector_at_every_token(loaded: LoadedModel, tmp_path: Path) -> None:
    found = natural_vectors(loaded, save_toy_lora(tmp_path / "lora", loaded, (0, 2)), RECORDS)
    found.save_effect(tmp_path / "effect", "pca", 2)

    def residuals() -> np.ndarray:
        return gather(
            loaded.model, loaded.architecture, loaded.tokenizer, RECORDS[:1], site="resid", layers=[2], position="all"
        )[0].rows[:, 0]  # fmt: skip

    before = residuals()
    n = len(before)
    with (
        open_adapter(tmp_path / "effect", loaded) as adapted,
        Writer(adapted.architecture, adapted.interventions) as writer,
    ):
        writer.aim([Row(Layout(n, n), adapted.interventions, 0, n)], n)
        changed = residuals() - before
    np.testing.assert_allclose(changed, np.tile(found.layers[2].vectors["pca"], (n, 1)), atol=1e-5)
    assert (adapted.info.layers, adapted.info.seed) == ((2,), 0)
