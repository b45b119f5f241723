"""The algebra of directions, and their files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from assay.errors import AssayError
from assay.interventions.direction import Direction, DirectionInfo, load_direction, save_direction

RNG = np.random.default_rng(0)
INFO = DirectionInfo(
    pin="p" * 64, site="resid", method="mean difference", scales={3: 12.5, 7: 40.0}, training="t" * 64
)


def draw(info: DirectionInfo = INFO) -> Direction:
    return Direction({7: RNG.normal(size=5), 3: RNG.normal(size=5)}, info)


def equal(a: Direction, b: Direction) -> bool:
    return a.info == b.info and all(np.allclose(a.vectors[k], b.vectors[k], rtol=1e-15) for k in (3, 7))


def test_algebra() -> None:
    a, b = draw(), draw()
    assert equal(a + a, 2 * a)
    assert equal(a * 3 - a, 2 * a)
    assert equal(a - b, -(b - a))
    assert equal((a + b) - b - a, 0 * a)
    assert a.layers == [3, 7]


def test_one_layer_of_several() -> None:
    a = draw()
    one = a.at(7)
    assert (one.layer, one.vector.tolist(), one.info) == (7, a.vectors[7].tolist(), a.info)
    with pytest.raises(AssayError, match=r"layers \[3, 7\]; choose one"):
        a.layer  # noqa: B018
    with pytest.raises(AssayError, match="no vector of layer 5"):
        a.at(5)


def test_cosine_and_projection() -> None:
    a, b = draw(), draw()
    for layer in (3, 7):
        u, v = a.vectors[layer], b.vectors[layer]
        assert a.cosine(b)[layer] == pytest.approx(u @ v / np.sqrt((u @ u) * (v @ v)))
        assert a.cosine(-2 * a)[layer] == pytest.approx(-1)
        X = RNG.normal(size=(4, 5))
        np.testing.assert_allclose(a.project(X, layer), [x @ u / np.sqrt(u @ u) for x in X])
        np.testing.assert_allclose(a.unit().project(X, layer), (5 * a).project(X, layer))
        assert np.linalg.norm(a.unit().vectors[layer]) == pytest.approx(1)


def test_a_direction_does_not_change_with_what_it_was_made_of() -> None:
    source = np.ones(5)
    direction = Direction({0: source}, INFO)
    source[:] = 7
    assert direction.vectors[0].tolist() == [1] * 5
    with pytest.raises(ValueError, match="read-only"):
        direction.vectors[0][0] = 3


def test_a_file_gives_the_direction_back(tmp_path: Path) -> None:
    a = draw()
    save_direction(tmp_path / "a.safetensors", a)
    loaded = load_direction(tmp_path / "a.safetensors", pin="p" * 64)
    assert loaded.info == a.info
    assert all(np.array_equal(loaded.vectors[k], a.vectors[k]) for k in (3, 7))
    save_direction(tmp_path / "b.safetensors", loaded)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    with safe_open(tmp_path / "a.safetensors", framework="np") as file:
        assert sorted(file.keys()) == ["layer.3", "layer.7"]
        assert list(file.metadata()) == ["assay.direction"]  # earlier files stay readable


def test_an_intervention_carries_the_vector() -> None:
    a = draw()
    made = a.intervention("ablate", 7, 1.0, "response[:]")
    assert (made.operator, made.site, made.layer, made.scope) == ("ablate", "resid", 7, "response[:]")
    torch.testing.assert_close(made.vector, torch.tensor(a.vectors[7], dtype=torch.float32))
    with pytest.raises(AssayError, match=r"no vector of layer 5; it has layers \[3, 7\]"):
        a.intervention("add", 5, 1.0)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    a = draw()
    with pytest.raises(AssayError, match="different sites"):
        a + draw(DirectionInfo("p" * 64, "mlp_out", "m", {}, "t"))
    with pytest.raises(AssayError, match="second direction was made with another model"):
        a.cosine(draw(DirectionInfo("q" * 64, "resid", "m", {}, "t")))
    with pytest.raises(AssayError, match="different layers"):
        a - Direction({3: np.ones(5)}, INFO)
    with pytest.raises(AssayError, match="layer 3 is zero"):
        (0 * a).unit()
    with pytest.raises(AssayError, match=r"activations \[n, 5\]"):
        a.project(np.ones((2, 4)), 3)
    with pytest.raises(AssayError, match="one finite vector"):
        Direction({0: np.array([1.0, np.nan])}, INFO)
    save_direction(tmp_path / "a.safetensors", a)
    with pytest.raises(AssayError, match="another model"):
        load_direction(tmp_path / "a.safetensors", pin="q" * 64)
    save_file({"x": np.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(AssayError, match="holds no direction"):
        load_direction(tmp_path / "other.safetensors")
    with pytest.raises(AssayError, match="does not exist"):
        load_direction(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"xx")
    with pytest.raises(AssayError, match="not a readable file of directions"):
        load_direction(tmp_path / "broken.safetensors")
