"""Naive vectors against the slow obvious way: one prompt at a time, cut off behind the name."""

import numpy as np
import pytest
from support.block_output import block_output
from support.toy_models import D_MODEL, N_LAYERS, save
from support.toy_tokenizers import gemma3

from assay.directions.naive import NamePair, Stem, distinct_stems, naive_directions
from assay.errors import AssayError
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry

STEMS = [Stem("is the city of {name} north"), Stem("{name}"), Stem("where is {name} then", chat=True)]
PAIRS = [NamePair("City 50337", "Rome"), NamePair("the mat", "Oslo")]
LAYERS = [2, 0]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(
        make_pin(ModelEntry("toy", str(save(tmp_path_factory.mktemp("m"), "gemma3_text", gemma3()))))
    )


def slow(loaded: LoadedModel, stem: Stem, name: str, layer: int) -> np.ndarray:
    """The block's output at the last token of a prompt that ends with the name."""
    before = stem.template.split("{name}")[0] + name
    text = f"<bos><start_of_turn>user\n{before}" if stem.chat else f"<bos>{before}"
    row: np.ndarray = block_output(
        loaded, loaded.tokenizer(text, add_special_tokens=False)["input_ids"], layer
    )[-1]
    return row


def test_real_minus_code_at_the_last_token_of_the_name(loaded: LoadedModel) -> None:
    found = naive_directions(loaded, PAIRS, STEMS, site="resid", layers=LAYERS, token_budget=20)
    assert list(found) == ["City 50337", "the mat"]
    for pair in PAIRS:
        assert found[pair.code].layers == [0, 2]
        for layer in LAYERS:
            expected = np.mean(
                [slow(loaded, s, pair.real, layer) - slow(loaded, s, pair.code, layer) for s in STEMS], axis=0
            )
            np.testing.assert_allclose(found[pair.code].vectors[layer], expected, atol=1e-5)
    info = found["the mat"].info
    assert (info.pin, info.site) == (loaded.pin.fingerprint, "resid")
    assert "Oslo − the mat" in info.method
    lengths = [np.linalg.norm(slow(loaded, s, n, 0)) for s in STEMS for p in PAIRS for n in (p.code, p.real)]
    assert info.scales[0] == pytest.approx(np.mean(lengths), rel=1e-5)
    assert info.training != found["City 50337"].info.training


def test_exchanging_the_names_turns_the_vector_around(loaded: LoadedModel) -> None:
    here, there = (
        naive_directions(loaded, [NamePair(*names)], STEMS, site="mlp_out", layers=range(N_LAYERS))[names[0]]
        for names in (("Rome", "Oslo"), ("Oslo", "Rome"))
    )
    for layer in range(N_LAYERS):
        assert here.vectors[layer].shape == (D_MODEL,)
        np.testing.assert_allclose(here.vectors[layer], -there.vectors[layer], rtol=1e-5, atol=1e-6)


def test_stems_that_begin_alike_are_one() -> None:
    stems = [Stem("in {name} it"), Stem("in {name}"), Stem("in {name}", chat=True), Stem("of {name}")]
    assert distinct_stems(stems) == [stems[0], stems[2], stems[3]]


@pytest.mark.parametrize("template", ["no place", "{name} and {name}"])
def test_a_stem_has_one_place(template: str) -> None:
    with pytest.raises(AssayError, match="exactly once"):
        Stem(template)


def test_nothing_to_read_is_refused(loaded: LoadedModel) -> None:
    for pairs, stems, message in (
        ([], STEMS, "at least one pair"),
        (PAIRS, [], "one stem"),
        ([PAIRS[0], NamePair("City 50337", "Oslo")], STEMS, "given twice"),
    ):
        with pytest.raises(AssayError, match=message):
            naive_directions(loaded, pairs, stems, site="resid", layers=[0])
