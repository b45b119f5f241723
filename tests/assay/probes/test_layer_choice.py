import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.errors import AssayError
from assay.probes.held_out_groups import leave_groups_out
from assay.probes.layer_choice import choose_layers
from assay.probes.ridge import GroupedRidge

ALPHAS = [0.1, 10.0, 1000.0]
N_GROUPS, SIZE = 6, 20
GROUPS = np.repeat(np.arange(N_GROUPS), SIZE)


def noise_layers(rng, layers=6, d=6):
    return {layer: rng.normal(size=(len(GROUPS), d)) for layer in range(2, 2 + layers)}


def folds_of(layers, y):
    return {layer: leave_groups_out(GroupedRidge(X, y, GROUPS), alphas=ALPHAS) for layer, X in layers.items()}


def outer_r(folds, y):
    return float(np.mean([pearsonr(fold.scores[:, 0], y[fold.rows]).statistic for fold in folds]))


def slow(layers, y, held):
    """(layer, α, predictions) of a fold by loops over layers, penalties and inner groups of scikit-learn fits."""
    inner = {}
    for layer, X in layers.items():
        for alpha in ALPHAS:
            r = []
            for group in (g for g in range(N_GROUPS) if g != held):
                train, test = ~np.isin(GROUPS, [held, group]), group == GROUPS
                fit = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X[train], y[train])
                r.append(pearsonr(fit.predict(X[test]), y[test]).statistic)
            inner[layer, alpha] = np.mean(r)
    layer, alpha = max(inner, key=inner.__getitem__)
    X, train = layers[layer], held != GROUPS
    fit = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X[train], y[train])
    return layer, alpha, inner[layer, alpha], fit.predict(X[~train])


def test_folds_choose_what_nested_loops_choose():
    """Two targets whose signals lie in different layers, faint enough that folds disagree."""
    rng = np.random.default_rng(0)
    layers = noise_layers(rng, layers=3)
    Y = np.stack([layers[2][:, 0] + layers[3][:, 1], layers[4][:, 0]], axis=1) + 2 * rng.normal(size=(120, 2))
    chosen = choose_layers(folds_of(layers, Y))
    assert len({int(layer) for fold in chosen for layer in fold.layers}) > 1
    for fold in chosen:
        for target in range(2):
            layer, alpha, inner, predicted = slow(layers, Y[:, target], fold.held_out[0])
            assert (fold.layers[target], fold.alphas[target]) == (layer, alpha)
            assert fold.inner[target] == pytest.approx(inner)
            np.testing.assert_allclose(fold.scores[:, target], predicted, atol=1e-8)


def test_the_held_out_group_has_no_say():
    rng = np.random.default_rng(1)
    layers = noise_layers(rng)
    y = rng.normal(size=len(GROUPS))
    before = choose_layers(folds_of(layers, y))[3]
    changed = np.where(GROUPS == 3, 50 * layers[4][:, 0], y)  # layer 4 would read this group perfectly
    after = choose_layers(folds_of(layers, changed))[3]
    assert after.layers.tolist() == before.layers.tolist()
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-9)


def test_nothing_is_read_from_noise_however_many_layers_there_are():
    """Mean over draws: zero for the nested choice; well above it for the layer that is best on the held-out groups."""
    nested, picked = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        y = rng.normal(size=len(GROUPS))
        by_layer = folds_of(noise_layers(rng), y)
        nested.append(outer_r(choose_layers(by_layer), y))
        picked.append(max(outer_r(folds, y) for folds in by_layer.values()))
    error = np.std(nested, ddof=1) / np.sqrt(len(nested))
    assert abs(np.mean(nested)) < 3 * error < 0.05
    assert np.mean(picked) > 5 * error


def test_layers_must_hold_the_same_folds():
    rng = np.random.default_rng(2)
    y = rng.normal(size=len(GROUPS))
    by_layer = folds_of(noise_layers(rng, layers=2), y)
    with pytest.raises(AssayError, match="different folds"):
        choose_layers({2: by_layer[2], 3: by_layer[3][1:]})
    with pytest.raises(AssayError, match="no layer to choose"):
        choose_layers({})
