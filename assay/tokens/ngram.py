"""What the preceding words alone tell: logistic regression on their one-hot codes, with no model in it.

A probe is interesting only where it beats this. The control sees the same training positions and the text up to and
including the probed token; its regularisation is chosen on the validation split, as the probe's layer is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.classification import point_balanced_accuracy

_WORD = re.compile(r"\w+|[^\w\s]")
_TAIL = 400  # characters of text that surely hold the last few words
C_GRID = (0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class NgramScores:
    """Log-odds on test rows [n], and the balanced accuracy on validation rows at the regularisation that won there."""

    test: NDArray[np.float64]
    validation: float


def previous_words(text: str, count: int) -> dict[str, str]:
    """{"-1": last word or punctuation mark, "-2": the one before, …} of `text`; absent where the text is shorter."""
    words = _WORD.findall(text[-_TAIL:])[-count:]
    return {str(place): word for place, word in enumerate(words, -len(words))}


def ngram_scores(
    count: int,
    train: tuple[Sequence[str], NDArray[np.bool_]],
    validation: tuple[Sequence[str], NDArray[np.bool_]],
    test: Sequence[str],
) -> NgramScores:
    """Scores of the one-hot `count` previous words; each split is (texts before the position, labels)."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    coder = DictVectorizer()
    features = coder.fit_transform([previous_words(text, count) for text in train[0]])
    held_out = coder.transform([previous_words(text, count) for text in validation[0]])
    models = [LogisticRegression(C=C, max_iter=2000).fit(features, train[1]) for C in C_GRID]
    scores = np.stack([model.decision_function(held_out) for model in models], axis=1)
    accuracies = point_balanced_accuracy(scores, validation[1])
    best = int(np.argmax(accuracies))
    tested = coder.transform([previous_words(text, count) for text in test])
    return NgramScores(models[best].decision_function(tested), float(accuracies[best]))
