import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from assay.activations.store import StoreHeader, create_store, open_store
from assay.errors import AssayError
from assay.prompts.records import PromptRecord
from assay.studies.tokens.figure import figure_table
from assay.studies.tokens.ngram import CONTROLS, Control, control_scores
from assay.studies.tokens.rows import SPLITS, check_store, labelled_rows
from assay.studies.tokens.study import TokenStudySettings, run_study
from assay.studies.tokens.tables import accuracy_sentences, read_layers, row_of

SETTINGS = TokenStudySettings(weight_decay=1e-3, positive_weight_cap=5.0, shuffles=10, seed=0, resamples=200)
HEADER = StoreHeader("toy", "pin", "resid", "explicit", "none", "float32", "f")
PER_RECORD = 6


def make_records(n):
    """Records whose last word is `of` or `cat`; after `of` the label is 1 four times in five."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(n):
        words = rng.choice(["of", "cat"], PER_RECORD)
        labels = np.where(rng.random(PER_RECORD) < 0.8, words == "of", words != "of").astype(int)
        text = " ".join(f"{rng.choice(['a', 'b', 'c'])} {word}" for word in words)
        ends = [
            i + 1 for i in range(len(text)) if text[i] in "ft" and (i + 1 == len(text) or text[i + 1] == " ")
        ]
        split = SPLITS[(number // 5) % 3]
        records.append(
            PromptRecord(
                id=f"r{number}",
                text=text,
                positions=tuple(range(1, PER_RECORD + 1)),
                group=f"g{number // 5}",
                split=split,
                fields={"next": labels.tolist(), "current": [None] * PER_RECORD, "ends": ends},
            )
        )
    return records


@pytest.fixture
def planted(tmp_path):
    """Layer 1 carries the label for validation rows best, layer 2 for test rows only; layer 0 is noise."""
    rng = np.random.default_rng(1)
    records = make_records(180)
    labels = np.array([label for r in records for label in r.fields["next"]])
    split = np.repeat([r.split for r in records], PER_RECORD)
    strength = np.zeros((3, len(labels)))
    strength[1], strength[2] = 1.5, np.select([split == "train", split == "test"], [1.5, 6.0], 0.2)
    activations = rng.normal(size=(len(labels), 3, 8))
    activations[:, :, 0] += (strength * (labels - 0.5)).T
    path = tmp_path / "store.h5"
    offsets = np.arange(0, len(labels) + 1, PER_RECORD)
    with create_store(
        path, HEADER, layers=[0, 1, 2], d=8, ids=[r.id for r in records], offsets=offsets
    ) as writer:
        writer.write(activations.astype(np.float32))
    return records, path


def rows_of(records):
    return {split: labelled_rows(records, "next", split) for split in SPLITS}


def test_the_best_layer_is_chosen_without_the_reported_data(planted):
    records, path = planted
    with open_store(path) as store:
        check_store(store, records)
        study = run_study(store, rows_of(records), SETTINGS)
    table = {layer: study.table_row(layer) for layer in study.layers}
    assert study.layers.best_layer == 1
    assert table[2]["balanced_accuracy"] > table[1]["balanced_accuracy"] + 0.1
    assert abs(table[0]["balanced_accuracy"] - 0.5) < 0.08
    assert table[1]["tp"] + table[1]["fn"] == table[1]["positive_accuracy_n"]
    for layer in table:
        assert table[layer]["shuffled_lo"] <= 0.5 <= table[layer]["shuffled_hi"] or layer == 0
        for control in CONTROLS:
            difference = table[layer]["balanced_accuracy"] - table[layer][control]
            assert table[layer][f"minus_{control}"] == pytest.approx(difference)


def test_the_probe_equals_scikit_learn_on_the_same_rows(planted):
    records, path = planted
    rows = rows_of(records)
    with open_store(path) as store:
        study = run_study(store, rows, SETTINGS)
        train, test = (store.read(1, rows[split].row).astype(np.float64) for split in ("train", "test"))
    label = rows["train"].label
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    weights = np.where(label, max(1.0, (~label).sum() / label.sum()), 1.0)
    model = LogisticRegression(C=1 / (1e-3 * weights.sum()), tol=1e-10, max_iter=5000)
    model.fit((train - mean) / deviation, label, sample_weight=weights)
    np.testing.assert_allclose(
        study.layers[1].test.scores, model.decision_function((test - mean) / deviation), atol=1e-3
    )


def test_the_control_reads_the_words_and_nothing_else():
    text = "The cat, sat on"
    assert CONTROLS["ngram"].features(text, 3) == {"-3": "cat", "-2": "sat", "-1": "on"}
    assert CONTROLS["ngram_marks"].features(text, 3) == {"-3": ",", "-2": "sat", "-1": "on"}
    assert CONTROLS["ngram"].features("on", 3) == {"-1": "on"}
    assert CONTROLS["ngram"].features("", 3) == {}
    records = make_records(180)
    rows = rows_of(records)
    train, validation = ((rows[s].before, rows[s].label) for s in ("train", "validation"))
    found = control_scores(Control(r"\w+", (1,)), train, validation, rows["test"].before)
    last = np.array([text.split()[-1] == "of" for text in rows["test"].before])
    assert ((found > 0) == last).all()  # the best rule there is: after "of", yes


def test_nan_in_the_store_names_the_layer(planted, tmp_path):
    records, _ = planted
    path = tmp_path / "nan.h5"
    activations = np.ones((len(records) * PER_RECORD, 1, 4), dtype=np.float32)
    activations[3] = np.nan
    offsets = np.arange(0, len(activations) + 1, PER_RECORD)
    with create_store(path, HEADER, layers=[7], d=4, ids=[r.id for r in records], offsets=offsets) as writer:
        writer.write(activations)
    with open_store(path) as store, pytest.raises(AssayError, match=r"1 of .* rows of layer 7 hold NaN"):
        run_study(store, rows_of(records), SETTINGS)


def test_a_store_of_other_records_is_refused(planted):
    records, path = planted
    with open_store(path) as store:
        with pytest.raises(AssayError, match="other records"):
            check_store(store, records[1:])
        fewer = PromptRecord(**{**vars(records[0]), "positions": (1, 2)})
        with pytest.raises(AssayError, match="'r0' has 6 rows for 2 positions"):
            check_store(store, [fewer, *records[1:]])
        with pytest.raises(AssayError, match="at least 2 shuffles"):
            run_study(store, rows_of(records), TokenStudySettings(1e-3, 5.0, 1, 0, 100))


def test_tables_are_read_back_exactly(planted, tmp_path):
    import pandas as pd

    records, path = planted
    with open_store(path) as store:
        study = run_study(store, rows_of(records), SETTINGS)
    written = pd.DataFrame([study.table_row(layer) for layer in study.layers])
    written.to_csv(tmp_path / "t.csv", index=False)
    table = read_layers(tmp_path / "t.csv")
    assert row_of(table, 1) == study.table_row(1)
    shown = figure_table({"next": table, "current": table})
    assert shown["ngram_lo"].tolist() == [study.table_row(0)["ngram_lo"]] * 3
    assert f"{study.table_row(2)['balanced_accuracy']:.3f}" in accuracy_sentences(table, [2])[0]
    with pytest.raises(AssayError, match="layer 9 was not probed; probed layers are 0, 1, 2"):
        row_of(table, 9)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(AssayError, match=r"column layer, .* is missing"):
        read_layers(tmp_path / "other.csv")
    with pytest.raises(AssayError, match="cannot read"):
        read_layers(tmp_path / "missing.csv")
