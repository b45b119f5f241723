"""Scans of a text: exact extremes whatever comes, in memory that does not grow."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.toy_models import D_MODEL, save
from support.toy_tokenizers import gemma3

from assay.directions.contexts import Reservoir, Scan, Scanner, Stretch, scan_text
from assay.errors import AssayError
from assay.interventions.direction import Direction, DirectionInfo
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.documents import Document
from assay.prompts.windows import cut_windows

WORDS = ["the", "cat", "sat", "on", "mat", "and", "dog", "ran", "🙂", "naïve", "city", "of", "Rome"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(
        make_pin(ModelEntry("toy", str(save(tmp_path_factory.mktemp("m"), "gemma3_text", gemma3()))))
    )


def letters(number: int, n: int) -> Stretch:
    """A stretch of `n` tokens of one letter each, behind one special token."""
    ends = np.arange(1, n + 1)
    text = "".join(chr(97 + (number + i) % 26) for i in range(n))
    return Stretch(f"d{number}", 0, text, np.arange(n + 1), ends - 1, ends)


def scan(values: list[np.ndarray], *, k: int = 5, around: int = 2, skip: int = 0, sample: int = 50) -> Scan:
    scanner = Scanner(k=k, around=around, skip=skip, sample=sample, seed=0)
    for number, projections in enumerate(values):
        scanner.add(letters(number, len(projections)), projections, np.abs(projections) + 1)
    return scanner.result()


@pytest.mark.parametrize("k", [1, 7, 1000])
@pytest.mark.parametrize("skip", [0, 2])
def test_extremes_are_those_of_a_full_sort(k: int, skip: int) -> None:
    rng = np.random.default_rng(0)
    values = [rng.integers(-9, 10, rng.integers(1, 30)).astype(float) for _ in range(40)]  # with many ties
    found = scan(values, k=k, skip=skip)
    counted = [(v, n, t) for n, row in enumerate(values) for t, v in enumerate(row) if t >= skip]
    assert (found.n_tokens, found.n_left_out) == (len(counted), sum(min(skip, len(v)) + 1 for v in values))
    for contexts, sign in ((found.top, -1), (found.bottom, 1)):
        expected = sorted(counted, key=lambda one: (sign * one[0], one[1], one[2]))[:k]
        assert [(c.projection, int(c.document[1:]), c.token) for c in contexts] == expected


def test_a_context_is_the_text_around_its_token() -> None:
    row = np.array([0.0, 1, 2, 9, 3, 0, -5])
    found = scan([row], k=1)
    (top,), (bottom,) = found.top, found.bottom
    assert (top.pieces, top.centre, top.projections.tolist()) == (tuple("bcdef"), 2, [1, 2, 9, 3, 0])
    assert (bottom.pieces, bottom.centre) == (tuple("efg"), 2)
    assert (bottom.projection, bottom.norm) == (-5, 6)


def test_pieces_are_the_text_whatever_the_offsets() -> None:
    """Byte tokens of one character share its span: the first has its characters, the others none."""
    text = "a🙂b"
    stretch = Stretch("d", 0, text, np.arange(7), np.array([0, 1, 1, 1, 1, 2]), np.array([1, 2, 2, 2, 2, 3]))
    assert stretch.n_special == 1
    assert stretch.pieces(0, 6) == ["a", "🙂", "", "", "", "b"]
    assert stretch.pieces(2, 6) == ["", "", "", "b"]


def test_a_reservoir_is_uniform_and_does_not_depend_on_cuts() -> None:
    rows = np.arange(60, dtype=float)[:, None]
    counts = np.zeros(60)
    for seed in range(2000):
        reservoir = Reservoir(6, seed)
        reservoir.offer(rows)
        counts[reservoir.rows()[:, 0].astype(int)] += 1
    assert counts.sum() == 12_000
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200 * 0.9)
    whole, cut = Reservoir(6, 3), Reservoir(6, 3)
    whole.offer(rows)
    for part in np.split(rows, [1, 4, 8, 9, 33]):
        cut.offer(part)
    np.testing.assert_array_equal(whole.rows(), cut.rows())
    small = Reservoir(100, 0)
    small.offer(rows)
    np.testing.assert_array_equal(small.rows(), rows)


def test_memory_does_not_grow_with_the_text() -> None:
    def peak(n: int) -> int:
        rng = np.random.default_rng(0)
        scanner = Scanner(k=20, around=30, skip=1, sample=500, seed=0)
        tracemalloc.start()
        for number in range(n):
            scanner.add(letters(number, 100), rng.normal(size=100), np.ones(100))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert scanner.result().n_tokens == 99 * n
        return found

    few = peak(100)
    assert peak(1000) < 1.5 * few


def stretches(loaded: LoadedModel, n: int = 5) -> Iterator[Stretch]:
    rng = np.random.default_rng(0)
    for number in range(n):
        text = " ".join(rng.choice(WORDS, 30))
        for place, window in enumerate(cut_windows(loaded.tokenizer, Document(f"d{number}", text), 24)):
            tokens = window.tokens
            yield Stretch(f"d{number}", place, window.text, tokens.ids, tokens.starts, tokens.ends)


def direction(loaded: LoadedModel) -> Direction:
    vectors = {layer: np.random.default_rng(layer).normal(size=D_MODEL) for layer in (0, 1)}
    return Direction(vectors, DirectionInfo(loaded.pin.fingerprint, "resid", "test", {}, "t"))


@pytest.mark.parametrize("budget", [1, 64, 4096])
def test_projections_are_those_of_the_hidden_states(loaded: LoadedModel, budget: int) -> None:
    scanner = Scanner(k=4, around=3, skip=1, sample=10_000, seed=0)
    told: list[int] = []
    found = scan_text(
        loaded,
        direction(loaded),
        stretches(loaded),
        scanner,
        layer=1,
        token_budget=budget,
        progress=told.append,
    )
    unit = direction(loaded).unit().vectors[1]
    every, norms, places = [], [], []
    for stretch in stretches(loaded):
        assert stretch.ids[0] == loaded.tokenizer.bos_token_id
        with torch.no_grad():
            states = loaded.model(
                torch.from_numpy(stretch.ids)[None], output_hidden_states=True
            ).hidden_states
        rows = states[2][0, 2:].double().numpy()  # without BOS and the token after it
        every += (rows @ unit).tolist()
        norms += np.linalg.norm(rows, axis=1).tolist()
        places += [(stretch.document, stretch.number, 1 + token) for token in range(len(rows))]
    order = np.argsort(every)
    assert found.n_tokens == len(every)
    assert [(c.document, c.stretch, c.token) for c in found.bottom] == [places[i] for i in order[:4]]
    assert [(c.document, c.stretch, c.token) for c in found.top] == [places[i] for i in order[::-1][:4]]
    np.testing.assert_allclose([c.projection for c in found.top], np.sort(every)[::-1][:4], atol=1e-5)
    np.testing.assert_allclose(found.sample, np.stack([every, norms], axis=1), atol=1e-5)
    assert sum(told) == sum(1 for _ in stretches(loaded))


def test_what_cannot_be_scanned(loaded: LoadedModel) -> None:
    with pytest.raises(AssayError, match="k ≥ 1"):
        Scanner(k=0, around=3, skip=1, sample=10, seed=0)
    scanner = Scanner(k=1, around=3, skip=500, sample=10, seed=0)
    with pytest.raises(AssayError, match="no token to look at"):
        scan_text(loaded, direction(loaded), stretches(loaded), scanner, layer=1)
    with pytest.raises(AssayError, match="no vector of layer 2"):
        scan_text(
            loaded,
            direction(loaded),
            stretches(loaded),
            Scanner(k=1, around=1, skip=0, sample=1, seed=0),
            layer=2,
        )
