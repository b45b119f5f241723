import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from assay.activations.store import open_store
from assay.probes.files import load_probe, load_probes
from assay.prompts.records import read_records


def numbers(path):
    return json.loads(path.read_text())


def test_prepare_counts_what_it_kept(study):
    counts = numbers(study.folder / "prepare.json")
    records = read_records(study.folder / "prompts.jsonl")
    for split in ("train", "validation", "test"):
        mine = [record for record in records if record.split == split]
        assert counts[f"{split}_rows"] == sum(len(record.positions) for record in mine)
        assert counts[f"{split}_documents"] == len({record.group for record in mine})
    assert counts["train_next_per_class"] == 150
    assert all(isinstance(value, int) for value in counts.values())


def test_prepare_is_deterministic(study, run_stage, tmp_path):
    again = study.prepare_options(out=tmp_path / "p", metrics=tmp_path / "m")
    assert run_stage("tokens.prepare", *again) == 0
    assert (tmp_path / "p").read_bytes() == (study.folder / "prompts.jsonl").read_bytes()


def test_inspect_shows_samples_and_checks_the_store(study, run_stage, tmp_path):
    options = [
        *study.model_options(), "--prompts", study.folder / "prompts.jsonl", "--samples", 3, "--seed", 0,
        "--out", tmp_path / "s.md", "--metrics", tmp_path / "m.json", "--activations", study.folder / "activations.h5",
    ]  # fmt: skip
    assert run_stage("tokens.inspect", *options) == 0
    page, counts = (tmp_path / "s.md").read_text(), numbers(tmp_path / "m.json")
    assert page.count("▮") == 1 + 2 * 2 * 3
    positives = page.split("## next token: positives")[1].split("##")[0]
    assert all("▮ the" in line for line in positives.splitlines() if line.startswith("- "))
    assert counts["train_next_positive_share"] == 0.5
    assert counts["store_rows"] == sum(len(r.positions) for r in read_records(study.folder / "prompts.jsonl"))
    assert 0 <= counts["token_id_min"] <= counts["token_id_max"]


@pytest.mark.parametrize("variant", ["next", "current"])
def test_reported_numbers_follow_from_the_saved_probes(study, variant):
    """From the probe file, the store and the records alone, with scikit-learn's metrics."""
    metrics = numbers(study.folder / f"{variant}.json")
    probe = load_probe(study.folder / variant / "probes.safetensors")
    scores, labels = [], []
    with open_store(study.folder / "activations.h5") as store:
        layer = store.read(metrics["best_layer"])
        for index, record in enumerate(read_records(study.folder / "prompts.jsonl")):
            if record.split != "test":
                continue
            rows = layer[store.offsets[index] : store.offsets[index + 1]]
            keep = [place for place, label in enumerate(record.fields[variant]) if label is not None]
            scores += probe.decision_function(rows[keep]).tolist() if keep else []
            labels += [record.fields[variant][place] for place in keep]
    scores, labels = np.array(scores), np.array(labels)
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, scores > 0))
    # Equal rows (the texts begin alike) differ in the last bit when multiplied apart, by machine: such pairs count either way.
    gaps = scores[labels == 1][:, None] - scores[labels == 0][None]
    won, close = (gaps >= 1e-6).mean(), (np.abs(gaps) < 1e-6).mean()
    assert won - 1e-9 <= metrics["auroc"] <= won + close + 1e-9
    assert metrics["auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=close + 1e-9)
    assert close < 0.02
    assert metrics["tp"] == int(((scores > 0) & (labels == 1)).sum())
    assert metrics["test_rows"] == len(labels)
    with open(study.folder / variant / "predictions.csv") as handle:
        written = list(csv.DictReader(handle))
    np.testing.assert_allclose([float(row["probe"]) for row in written], scores, atol=1e-3)
    assert [int(row["label"]) for row in written] == labels.tolist()


def test_the_current_token_is_read_and_controls_are_where_they_belong(study):
    current, following = numbers(study.folder / "current.json"), numbers(study.folder / "next.json")
    assert current["balanced_accuracy"] > 0.85  # even a random model's residual stream holds its own token
    assert current["ngram_1"] > 0.9
    for metrics in (current, following):
        assert metrics["shuffled_lo"] <= metrics["shuffled"] <= metrics["shuffled_hi"]
        assert metrics["layers_saying_one_class"] == metrics["layers_not_converged"] == 0


def test_probes_carry_their_origin(study):
    probes, info = load_probes(study.folder / "next" / "probes.safetensors")
    with open_store(study.folder / "activations.h5") as store:
        assert info.pin == store.header.pin_fingerprint
        assert sorted(probes) == store.layers
    assert (info.site, info.concept) == ("resid", "the next token is the target")
    assert "weight_decay=0.0001" in info.method


def test_probe_is_deterministic(study, run_stage, tmp_path):
    options = study.probe_options("next", out=tmp_path, table=tmp_path / "t.csv", metrics=tmp_path / "m.json")
    assert run_stage("tokens.probe", *options) == 0
    for name, mine in (
        ("next.csv", "t.csv"),
        ("next.json", "m.json"),
        ("next/probes.safetensors", "probes.safetensors"),
    ):
        assert (study.folder / name).read_bytes() == (tmp_path / mine).read_bytes()


@pytest.mark.parametrize(("layer", "number"), [("1", 1), ("-1", 2), ("0.4", 1)])
def test_report_picks_the_layer(study, run_stage, layer, number):
    assert run_stage("tokens.report", *study.report_options(layer)) == 0
    report = numbers(study.folder / "report.json")
    with open(study.folder / "next.csv") as handle:
        row = list(csv.DictReader(handle))[number]
    assert report["layer"] == number
    assert report["next_balanced_accuracy"] == float(row["balanced_accuracy"])
    assert report["next_minus_ngram_lo"] == float(row["minus_ngram_lo"])
    assert report["current_tp"] + report["current_fn"] == report["current_positive_accuracy_n"]
    assert (study.folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    with open(study.folder / "accuracy.csv") as handle:
        assert len(list(csv.DictReader(handle))) == 3


def failing(run_stage, capsys, name, options, *says):
    """Exit status 1 and one line on stderr that says all of `says`."""
    capsys.readouterr()
    assert run_stage(name, *options) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    for words in says:
        assert words in error


def test_bad_input_of_prepare(study, run_stage, capsys, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    outs = {"out": tmp_path / "out.jsonl", "metrics": tmp_path / "m.json"}
    (tmp_path / "out.jsonl").write_text("earlier")
    cases = [
        ({"target": " the cat"}, ["' the cat' is", "tokens of this tokenizer", "' the' + "]),
        ({"path": tmp_path / "empty.txt"}, ["empty.txt is empty"]),
        ({"path": tmp_path / "nothing.txt"}, ["no text file matches", "nothing.txt"]),
        ({"context": 5}, ["leaves no position"]),
        ({"train": 0}, ["Invalid value for '--train'"]),
        ({"path": study.texts / "00.txt"}, ["of 1 documents", "--section"]),
        ({"source": "gutenberg", "language": "tlh", "documents": 3}, ["no language 'tlh'"]),
    ]
    for changes, says in cases:
        failing(run_stage, capsys, "tokens.prepare", study.prepare_options(**(outs | changes)), *says)
    options = study.prepare_options(**outs)
    options[1] = "organsim"
    failing(run_stage, capsys, "tokens.prepare", options, "none.yaml")
    assert (tmp_path / "out.jsonl").read_text() == "earlier"


def test_bad_input_of_probe(study, run_stage, capsys, tmp_path):
    outs = {"out": tmp_path, "table": tmp_path / "t.csv", "metrics": tmp_path / "m.json"}
    rows = (study.folder / "prompts.jsonl").read_text().splitlines()
    (tmp_path / "fewer.jsonl").write_text("\n".join(rows[1:]))
    (tmp_path / "broken.jsonl").write_text("\n".join([rows[0], rows[1][:-5]]))
    (tmp_path / "cut.h5").write_bytes((study.folder / "activations.h5").read_bytes()[:2000])
    cases = [
        ({"prompts": tmp_path / "fewer.jsonl"}, ["holds other records"]),
        ({"prompts": tmp_path / "broken.jsonl"}, ["broken.jsonl, line 2"]),
        ({"prompts": tmp_path / "none.jsonl"}, ["cannot read", "none.jsonl"]),
        ({"activations": tmp_path / "cut.h5"}, ["cut.h5"]),
        ({"shuffles": 1}, ["at least 2 shuffles"]),
        ({"decay": 0}, ["weight_decay must be positive"]),
    ]
    for changes, says in cases:
        failing(run_stage, capsys, "tokens.probe", study.probe_options("next", **(outs | changes)), *says)
    assert not (tmp_path / "m.json").exists()


def test_bad_input_of_report_and_inspect(study, run_stage, capsys, tmp_path):
    failing(run_stage, capsys, "tokens.report", study.report_options("3"), "layer 3 of 3")
    options = study.report_options("1")
    options[1] = tmp_path / "none.csv"
    failing(run_stage, capsys, "tokens.report", options, "cannot read", "none.csv")
    shutil.copy(study.folder / "activations.h5", tmp_path / "other.h5")
    import h5py

    with h5py.File(tmp_path / "other.h5", "a") as file:
        file.attrs["pin_fingerprint"] = "0" * 64
    inspect = [
        *study.model_options(), "--prompts", study.folder / "prompts.jsonl", "--samples", 1, "--seed", 0,
        "--out", tmp_path / "s.md", "--metrics", tmp_path / "m.json", "--activations", tmp_path / "other.h5",
    ]  # fmt: skip
    failing(run_stage, capsys, "tokens.inspect", inspect, "was made with another model")


def test_an_error_is_one_line_without_a_traceback(study):
    command = [
        sys.executable,
        "-m",
        "stages.tokens.prepare",
        *map(str, study.prepare_options(target=" the the")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "' the the' is 2 tokens" in done.stderr
