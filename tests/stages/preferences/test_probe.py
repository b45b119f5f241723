"""The stages from texts and activations to probes and figures, on tasks whose utilities are known sums."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.preferences.command_line import stage
from support.preferences.planted_probes import TOPICS, Planted

from assay.activations.store import open_store
from assay.probes.files import load_probe, load_probes
from assay.probes.readings import evaluate_probe


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Planted:
    made = Planted(tmp_path_factory.mktemp("planted"))
    assert stage("probe", *made.options()) == 0
    return made


@pytest.fixture(scope="module")
def metrics(planted):
    return json.loads((planted.folder / "metrics.json").read_text())


def halves(planted: Planted) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the sweep and of the final half, as the reference splits them: sorted ids, seeded permutation."""
    order = np.random.default_rng(0).permutation(120)
    return planted.eval[np.sort(order[:60])], planted.eval[np.sort(order[60:])]


def test_held_out_numbers_are_those_of_a_scikit_learn_loop(planted, metrics):
    sweep, final = halves(planted)
    for name, layer in (("chat", 1), ("base", 1), ("content", 0)):
        with open_store(planted.folder / f"{name}.h5") as store:
            X = store.read(layer).astype(np.float64)
        fits = {
            alpha: make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X[planted.train], planted.mu[planted.train])
            for alpha in np.logspace(-1, 5, 7)
        }  # fmt: skip
        r = {
            alpha: pearsonr(fit.predict(X[sweep]), planted.mu[sweep]).statistic for alpha, fit in fits.items()
        }
        best = max(r, key=r.__getitem__)
        assert metrics[f"{name}_alpha"] == pytest.approx(best)
        assert metrics[f"{name}_layer"] == layer
        predicted = fits[best].predict(X[final])
        assert metrics[f"{name}_heldout_r"] == pytest.approx(pearsonr(predicted, planted.mu[final]).statistic)
        rho = spearmanr(predicted, planted.mu[final]).statistic
        assert metrics[f"{name}_heldout_spearman"] == pytest.approx(rho)


def test_chat_beats_base_beats_content_with_intervals_that_exclude_zero(metrics):
    for pair in ("chat_minus_base", "base_minus_content", "chat_minus_content"):
        for mean in ("topic_r", "topic_r_weighted"):
            assert metrics[f"{pair}_{mean}_lo"] > 0
        first, second = pair.split("_minus_")
        assert metrics[f"{pair}_topic_r"] == pytest.approx(
            metrics[f"{first}_topic_r"] - metrics[f"{second}_topic_r"]
        )
    assert metrics["chat_heldout_accuracy"] > 0.75 > metrics["content_heldout_accuracy"]


def test_controls_read_nothing(metrics):
    for name in ("chat", "base", "content"):
        for control in ("shuffled_r", "topic_shuffled_r", "gaussian_r", "topic_gaussian_r"):
            assert metrics[f"{name}_{control}_lo"] < 0 < metrics[f"{name}_{control}_hi"], (name, control)


def test_topics_are_where_demeaning_says(planted, metrics):
    """The topic part of chat's layer is lost by the demeaned probe and by nothing else."""
    assert metrics["chat_demeaned_r"] > 0.9
    probe = load_probe(planted.folder / "probes" / "chat_demeaned.safetensors")
    with open_store(planted.folder / "chat.h5") as store:
        read = probe.predict(store.read(1)[planted.eval])
    part = np.linspace(-2, 2, len(TOPICS))[planted.topic[planted.eval]]
    raw = load_probe(planted.folder / "probes" / "chat.safetensors")
    with open_store(planted.folder / "chat.h5") as store:
        full = raw.predict(store.read(1)[planted.eval])
    assert abs(pearsonr(read, part).statistic) < 0.3 < 0.6 < pearsonr(full, part).statistic


def test_saved_probes_say_what_they_are_and_give_the_reported_numbers(planted, metrics):
    probes, info = load_probes(planted.folder / "probes" / "chat.safetensors")
    assert (info.pin, info.site, info.position, info.best_layer) == ("chat" * 8, "resid", "prompt[-1]", 1)
    assert probes[1].penalty == metrics["chat_alpha"]
    _, final = halves(planted)
    truth = {planted.ids[row]: float(planted.mu[row]) for row in final}
    for suffix, name in (("", "heldout"), ("_bt", "bt")):
        probe = load_probe(planted.folder / "probes" / f"chat{suffix}.safetensors")
        with open_store(planted.folder / "chat.h5") as store:
            found = evaluate_probe(probe, store, truth, layer=1)
        assert found["r"].value == pytest.approx(metrics[f"chat_{name}_r"], abs=1e-6)


def test_tables_hold_every_layer_and_topic(planted, metrics):
    layers = pd.read_csv(planted.folder / "layers.csv")
    assert layers[["features", "layer", "selected"]].values.tolist() == [
        ["chat", 0, 0], ["chat", 1, 1], ["base", 0, 0], ["base", 1, 1], ["content", 0, 1],
    ]  # fmt: skip
    assert not layers.isna().any().any()
    topics = pd.read_csv(planted.folder / "topics.csv")
    for name in ("chat", "base", "content"):
        part = topics[topics["features"] == name]
        assert part["topics"].tolist() == list(TOPICS)
        assert part["r_n"].sum() == 240
        assert part["r"].mean() == pytest.approx(metrics[f"{name}_topic_r"])
        assert np.average(part["r"], weights=part["r_n"]) == pytest.approx(
            metrics[f"{name}_topic_r_weighted"]
        )
        assert part["r"].std(ddof=0) == pytest.approx(metrics[f"{name}_topic_r_sd"])
        chosen = part["layer"].value_counts()
        assert metrics[f"{name}_topic_layer_mode_folds"] == chosen.max()
        assert part["layer"].median() == metrics[f"{name}_topic_layer"]
        by_layer = layers[layers["features"] == name].set_index("layer")["chosen_folds"]
        assert by_layer[by_layer > 0].to_dict() == chosen.to_dict()


def test_a_rerun_writes_the_same_bytes(planted, tmp_path):
    changes = {"out": tmp_path / "probes", "table": tmp_path / "layers.csv", "topic-table": tmp_path / "topics.csv", "metrics": tmp_path / "metrics.json"}  # fmt: skip
    assert stage("probe", *planted.options(**changes)) == 0
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (planted.folder / path.relative_to(tmp_path)).read_bytes(), path.name


def test_two_topics_out_and_no_choices(planted, tmp_path):
    changes = {"hold-out": 2, "out": tmp_path / "p", "table": tmp_path / "l.csv", "topic-table": tmp_path / "t.csv", "metrics": tmp_path / "m.json", "shuffles": 2, "resamples": 50}  # fmt: skip
    options = planted.options(**changes)
    for name in ("--train-choices", "--eval-choices", "--layer"):
        place = options.index(name)
        del options[place : place + 2]
    assert stage("probe", *options) == 0
    topics = pd.read_csv(tmp_path / "t.csv")
    assert len(topics) == 3 * 15
    assert topics["topics"].iloc[0] == "art + cooking"
    found = json.loads((tmp_path / "m.json").read_text())
    assert not [name for name in found if "accuracy" in name or "_bt_" in name or "_at_layer_" in name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alphas": "1,2"}, "must be FIRST,LAST,COUNT"),
        ({"hold-out": 5}, "at least 7 groups"),
        ({"eval-utilities": "train.csv"}, "240 tasks both train and evaluate"),
        ({"topics": "nothing.json"}, "does not exist"),
        ({"layer": "7"}, "layer 7 of 2"),
    ],
)
def test_bad_input_leaves_earlier_outputs_intact(planted, capsys, changes, message):
    before = {path: path.read_bytes() for path in planted.folder.rglob("*") if path.is_file()}
    changes = {k: planted.folder / v if "." in str(v) else v for k, v in changes.items()}
    assert stage("probe", *planted.options(**changes)) == 1
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in planted.folder.rglob("*") if path.is_file()} == before


def test_figures_show_what_the_tables_say(planted, metrics, tmp_path):
    folder = planted.folder
    options = ["--table", folder / "layers.csv", "--topic-table", folder / "topics.csv", "--utilities", folder / "train.csv", "--topics", folder / "topics.json", "--out", tmp_path]  # fmt: skip
    assert stage("probe_figures", *options) == 0
    names = ("probe_bars", "probe_topics", "probe_layers", "topic_means")
    for name in names:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    bars = pd.read_csv(tmp_path / "probe_bars.csv")
    assert len(bars) == 3 * 2 * 2
    row = bars[
        (bars["features"] == "base") & (bars["split"] == "held-out topics") & (bars["metric"] == "Pearson r")
    ]
    assert row["value"].item() == pytest.approx(metrics["base_topic_r"])
    assert row["layer"].item() == metrics["base_topic_layer"]
    means = pd.read_csv(tmp_path / "topic_means.csv").set_index("topic")
    mine = planted.mu[planted.train][planted.topic[planted.train] == 2]
    assert means.loc["games", "mean"] == pytest.approx(mine.mean())
    assert means.loc["games", "se"] == pytest.approx(mine.std(ddof=1) / len(mine) ** 0.5)
    first = {name: (tmp_path / f"{name}.png").read_bytes() for name in names}
    assert stage("probe_figures", *options) == 0
    assert {name: (tmp_path / f"{name}.png").read_bytes() for name in names} == first


def test_texts_become_a_store_like_any_other(planted, tmp_path):
    rows = [{"task_id": task, "prompt": f"{TOPICS[topic]} {number}"} for number, (task, topic) in enumerate(zip(planted.ids, planted.topic, strict=True))]  # fmt: skip
    (tmp_path / "tasks.json").write_text(json.dumps(rows))
    for out in ("a.h5", "b.h5"):
        assert (
            stage("embed", "--tasks", tmp_path / "tasks.json", "--encoder", "tfidf", "--out", tmp_path / out)
            == 0
        )
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with open_store(tmp_path / "a.h5") as store:
        assert store.ids == planted.ids
        assert (store.layers, store.header.pin_alias, store.header.site) == ([0], "tfidf", "text")
