import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from assay.errors import AssayError
from assay.probes.files import ProbeInfo, load_matching_probes, load_probe, load_probes, save_probes
from assay.probes.linear import Probe, UtilityProbe

INFO = ProbeInfo(pin="abc", site="resid", method="m", concept="c", training="t", best_layer=3)


@pytest.fixture
def probes():
    rng = np.random.default_rng(0)
    return {layer: Probe(rng.normal(size=5), bias=1 / 3, scale=2.5, converged=layer != 0) for layer in (0, 3)}


def test_what_is_saved_is_loaded(tmp_path, probes):
    path = tmp_path / "probes.safetensors"
    save_probes(path, probes, INFO)
    loaded, info = load_probes(path)
    assert info == INFO
    with safe_open(path, framework="np") as file:
        assert list(file.metadata()) == ["assay.probes"]  # earlier files stay readable
    assert list(loaded) == [0, 3]
    for layer, probe in loaded.items():
        assert probe.weight.tobytes() == probes[layer].weight.tobytes()
        assert (probe.bias, probe.scale, probe.converged) == (1 / 3, 2.5, layer != 0)
    X = np.ones((2, 5))
    assert load_probe(path).predict(X).tolist() == probes[3].predict(X).tolist()
    assert load_probe(path, 0).decision_function(X)[0] == probes[0].decision_function(X)[0]


def test_equal_probes_give_equal_bytes(tmp_path, probes):
    save_probes(tmp_path / "a", probes, INFO)
    save_probes(tmp_path / "b", dict(reversed(probes.items())), INFO)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_holds_no_probes_is_named(tmp_path, probes):
    with pytest.raises(AssayError, match="does not exist"):
        load_probe(tmp_path / "nothing")
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(AssayError, match="junk is not a readable file of probes"):
        load_probe(tmp_path / "junk")
    save_file({"x": np.zeros(2)}, tmp_path / "other")
    with pytest.raises(AssayError, match="holds no probes"):
        load_probe(tmp_path / "other")
    path = tmp_path / "probes"
    save_probes(path, probes, INFO)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AssayError, match="not a readable file of probes"):
        load_probe(path)


def test_a_missing_layer_is_named(tmp_path, probes):
    save_probes(tmp_path / "p", probes, INFO)
    with pytest.raises(AssayError, match=r"no probe of layer 2.*\[0, 3\]"):
        load_probe(tmp_path / "p", 2)
    with pytest.raises(AssayError, match="best layer"):
        save_probes(tmp_path / "q", {0: probes[0]}, INFO)


def test_probes_that_do_not_belong_together_are_refused(tmp_path, probes):
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    save_probes(a, probes, INFO)
    save_probes(b, {3: probes[3]}, INFO)
    save_probes(c, probes, ProbeInfo(**{**vars(INFO), "site": "mlp_out"}))
    found, site = load_matching_probes({"x": a, "y": a}, "abc")
    assert (list(found), site) == (["x", "y"], "resid")
    with pytest.raises(AssayError, match="another model"):
        load_matching_probes({"x": a}, "other pin")
    for other in (b, c):
        with pytest.raises(AssayError, match="another site or other layers"):
            load_matching_probes({"x": a, "y": other}, "abc")


def test_utility_probes_keep_their_penalties_and_positions(tmp_path):
    rng = np.random.default_rng(0)
    saved = {layer: UtilityProbe(rng.normal(size=5), 0.25, 2.0, penalty=10.0**layer) for layer in (1, 3)}
    info = ProbeInfo(**{**vars(INFO), "position": "prompt[-1]"})
    save_probes(tmp_path / "u", saved, info)
    loaded, found = load_probes(tmp_path / "u")
    assert found == info
    for layer, probe in loaded.items():
        assert isinstance(probe, UtilityProbe)
        assert probe.weight.tobytes() == saved[layer].weight.tobytes()
        assert (probe.bias, probe.scale, probe.penalty) == (0.25, 2.0, 10.0**layer)
    X = rng.normal(size=(4, 5))
    np.testing.assert_allclose(load_probe(tmp_path / "u").predict(X), X @ saved[3].weight + 0.25)
    with pytest.raises(AssayError, match="utility probes, not classifiers"):
        load_matching_probes({"x": tmp_path / "u"}, "abc")
