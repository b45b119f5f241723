import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import r2_score

from assay.activations.store import StoreHeader, create_store, open_store
from assay.errors import AssayError
from assay.probes.files import ProbeInfo, load_probe, save_probes
from assay.probes.linear import UtilityProbe
from assay.probes.readings import evaluate_probe
from assay.statistics.bootstrap import Resampling
from assay.statistics.choices import Choices

HEADER = StoreHeader("m", "m" * 8, "resid", "prompt[-1]", "none", "float32", "f" * 64)
RESAMPLING = Resampling(seed=0, resamples=200)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 6)).astype("<f4")
    probe = UtilityProbe(rng.normal(size=6), bias=0.5, scale=1.0, penalty=10.0)
    path = tmp_path / "store.h5"
    with create_store(path, HEADER, layers=[2, 4], d=6, ids=[f"t{i}" for i in range(50)]) as store:
        store.write(np.stack([-X, X], axis=1))
    info = ProbeInfo("m" * 8, "resid", "ridge", "utility", "t", best_layer=4, position="prompt[-1]")
    save_probes(tmp_path / "probe", {4: probe}, info)
    return X, load_probe(tmp_path / "probe"), path, X @ probe.weight + rng.normal(size=50)


def test_numbers_of_a_saved_probe_on_arrays(data):
    X, probe, _, utilities = data
    found = evaluate_probe(probe, X, utilities, resampling=RESAMPLING)
    predicted = probe.predict(X)
    assert found.keys() == {"r", "spearman", "r2", "r2_shifted"}
    assert found["spearman"].value == pytest.approx(spearmanr(predicted, utilities).statistic)
    assert found["r"].value == pytest.approx(pearsonr(predicted, utilities).statistic)
    assert found["r2"].value == pytest.approx(r2_score(utilities, predicted))
    assert found["r2_shifted"].value >= found["r2"].value
    assert found["r"].n == 50


def test_a_store_is_read_by_id_in_any_order(data):
    X, probe, path, utilities = data
    order = np.random.default_rng(1).permutation(50)[:40]
    by_id = {f"t{i}": float(utilities[i]) for i in order}
    first = np.repeat(np.arange(20), 2)
    pairs = Choices(first, first + 20, 1 + 0 * first, 0 * first, 0 * first)
    with open_store(path) as store:
        found = evaluate_probe(probe, store, by_id, pairs, layer=4, resampling=RESAMPLING)
        turned = evaluate_probe(probe, store, by_id, layer=2, resampling=RESAMPLING)
        with pytest.raises(AssayError, match=r"holds layers \[2, 4\]; say which"):
            evaluate_probe(probe, store, by_id)
        with pytest.raises(AssayError, match=r"lacks 1 of 2 ids.*'x'"):
            evaluate_probe(probe, store, {"t0": 1.0, "x": 2.0}, layer=4)
        with pytest.raises(AssayError, match="mapping from id"):
            evaluate_probe(probe, store, utilities, layer=4)
    scores = probe.predict(X[order])
    assert found["r"].value == pytest.approx(pearsonr(scores, utilities[order]).statistic)
    assert turned["r"].value == pytest.approx(-found["r"].value)
    assert found["accuracy"].value == pytest.approx((scores[first] > scores[first + 20]).mean())
    assert found["accuracy"].n == 40


def test_shapes_that_do_not_fit_are_named(data):
    X, probe, _, utilities = data
    with pytest.raises(AssayError, match="50 rows of activations for 49 utilities"):
        evaluate_probe(probe, X, utilities[1:])
    with pytest.raises(AssayError, match=r"reads activations \[n, 6\]"):
        evaluate_probe(probe, X[:, :5], utilities)
    with pytest.raises(AssayError, match="need a store"):
        evaluate_probe(probe, X, {"t0": 1.0})
