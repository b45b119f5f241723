"""What the preceding words alone tell: logistic regression on their one-hot codes, with no model in it.

A probe is interesting only where it beats this. A control sees the same training positions and the text up to and
including the probed token, so at a position inside a word its last word is what is there of it. Its regularisation is
chosen on the validation split, as the probe's layer is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.statistics.classification import point_balanced_accuracy

C_GRID = (0.1, 0.3, 1.0, 3.0, 10.0)
_TAIL = 400  # characters of text that surely hold the last few words


@dataclass(frozen=True)
class Control:
    """Which units count as words, and how many of the last ones are seen; several counts: validation data choose."""

    unit: str
    counts: tuple[int, ...]

    def features(self, text: str, count: int) -> dict[str, str]:
        """{"-1": last unit of `text`, "-2": the one before, …}; absent where the text is shorter."""
        units = re.findall(self.unit, text[-_TAIL:])[-count:]
        return {str(place): unit for place, unit in enumerate(units, -len(units))}


CONTROLS = {
    "ngram": Control(r"\w+", (3,)),
    "ngram_1": Control(r"\w+", (1,)),
    "ngram_marks": Control(
        r"\w+|[^\w\s]", (1, 2, 3)
    ),  # punctuation marks are units too: the strongest of the three
}


def control_scores(
    control: Control,
    train: tuple[Sequence[str], NDArray[np.bool_]],
    validation: tuple[Sequence[str], NDArray[np.bool_]],
    test: Sequence[str],
) -> NDArray[np.float64]:
    """Log-odds on the test texts; each split is (texts up to the position, labels)."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    best, scores = -1.0, np.zeros(len(test))
    for count in control.counts:
        coder = DictVectorizer()
        features = coder.fit_transform([control.features(text, count) for text in train[0]])
        held_out, asked = (
            coder.transform([control.features(text, count) for text in texts])
            for texts in (validation[0], test)
        )
        for C in C_GRID:
            model = LogisticRegression(C=C, max_iter=2000).fit(features, train[1])
            accuracy = float(
                point_balanced_accuracy(model.decision_function(held_out)[:, None], validation[1])[0]
            )
            if accuracy > best:
                best, scores = accuracy, model.decision_function(asked)
    return scores
