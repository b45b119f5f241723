"""Linear probes: does a direction in the activations tell two classes apart?

`fit_probes` standardises the features, fits, and folds the standardisation back, so that a `Probe` reads raw activations.
It knows nothing of layers, files or models.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.logistic import solve_logistic


@dataclass(frozen=True)
class LinearProbe:
    """A linear reading of raw activations.

    Attributes:
        weight: [d] float64, per unit of raw activation.
        bias: the reading of a zero activation.
        scale: standard deviation of `decision_function` over the training rows.
        converged: whether the solver reached its tolerance.
    """

    weight: Floats
    bias: float
    scale: float
    converged: bool = True

    def decision_function(self, X: ArrayLike) -> Floats:
        """The reading of activations [n, d] → [n]: log-odds of a classifier's positive class, or a utility."""
        activations = np.asarray(X, dtype=np.float64)
        if activations.ndim != 2 or activations.shape[1] != len(self.weight):
            raise AssayError(
                f"this probe reads activations [n, {len(self.weight)}], found shape {activations.shape}"
            )
        readings: Floats = activations @ self.weight + self.bias
        return readings


@dataclass(frozen=True)
class UtilityProbe(LinearProbe):
    """Reads a number, such as a utility, with scikit-learn's interface of a regressor.

    Attributes:
        penalty: the L2 penalty that it was fitted with (ridge's α), on standardised features.
    """

    penalty: float = 0.0

    @property
    def coef_(self) -> Floats:
        """[d], scikit-learn's name and shape."""
        return self.weight

    @property
    def intercept_(self) -> float:
        """scikit-learn's name."""
        return self.bias

    def predict(self, X: ArrayLike) -> Floats:
        """The utility of each row."""
        return self.decision_function(X)


@dataclass(frozen=True)
class Probe(LinearProbe):
    """A fitted binary classifier on raw activations, with scikit-learn's reading interface; units are log-odds."""

    @property
    def coef_(self) -> Floats:
        """[1, d], scikit-learn's name and shape."""
        return self.weight[None, :]

    @property
    def intercept_(self) -> Floats:
        """[1], scikit-learn's name and shape."""
        return np.array([self.bias])

    @property
    def classes_(self) -> NDArray[np.int64]:
        """[0, 1]."""
        return np.array([0, 1])

    def predict_proba(self, X: ArrayLike) -> Floats:
        """[n, 2]: probability of the negative and of the positive class."""
        positive = expit(self.decision_function(X))
        return np.stack([1 - positive, positive], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """0 or 1 for each row."""
        return (self.decision_function(X) > 0).astype(np.int64)


def fit_probes(
    X: ArrayLike,
    labels: ArrayLike,
    *,
    weight_decay: float = 1e-4,
    positive_weight_cap: float = 5.0,
    sample_weight: ArrayLike | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 1000,
) -> list[Probe]:
    """One probe for each column of `labels` [n, k] (0/1; [n] counts as one column) on activations `X` [n, d].

    Equal to scikit-learn's `LogisticRegression(C=1/(weight_decay · Σ weights))` on `StandardScaler` features. The
    columns share the factorisation: shuffled-label controls cost little beside the true labels.

    Args:
        X: raw activations; every value must be finite.
        labels: the positive class is 1.
        weight_decay: L2 penalty per mean loss on weights of standardised features; the bias is free.
        positive_weight_cap: positives count min(negatives / positives, cap) times, never less than once; 1 turns it off.
        sample_weight: [n], multiplies the class weight.
        tolerance: see `solve_logistic`.
        max_iterations: see `solve_logistic`; a probe that runs out says `converged=False`.

    Raises AssayError for a non-finite activation, an empty class or shapes that do not fit.
    """
    activations, classes, weights = _checked(X, labels, sample_weight)
    weights = weights[:, None] * _class_weights(classes, positive_weight_cap)
    mean, deviation = standardisation(activations)
    standardised = (activations - mean) / deviation
    solution = solve_logistic(
        standardised,
        classes,
        weights,
        weight_decay=weight_decay,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    scales = (standardised @ solution.weights).std(axis=0)
    raw = solution.weights / deviation[:, None]
    biases = solution.intercepts - mean @ raw
    return [
        Probe(
            np.ascontiguousarray(raw[:, i]), float(biases[i]), float(scales[i]), bool(solution.converged[i])
        )
        for i in range(classes.shape[1])
    ]


def shuffled_labels(labels: ArrayLike, count: int, *, seed: int) -> NDArray[np.bool_]:
    """`count` permutations of labels [n] as columns [n, count]: what a probe reads out of nothing."""
    base = np.asarray(labels).astype(bool)
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(base) for _ in range(count)], axis=1)


def _checked(
    X: ArrayLike, labels: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    activations = np.asarray(X, dtype=np.float64)
    classes = np.asarray(labels)
    classes = classes[:, None] if classes.ndim == 1 else classes
    if activations.ndim != 2 or classes.ndim != 2 or len(activations) != len(classes):
        raise AssayError(
            f"expected activations [n, d] and labels [n, k], found {activations.shape} and {classes.shape}"
        )
    if not np.isin(classes, (0, 1)).all():
        raise AssayError("labels of a probe must be 0 or 1")
    bad = np.flatnonzero(~np.isfinite(activations).all(axis=1))
    if len(bad):
        raise AssayError(
            f"{len(bad)} of {len(activations)} activation rows hold NaN or infinity (first: row {bad[0]}); "
            "extract again in bfloat16 or float32, or drop and count these rows"
        )
    positives = classes.astype(bool).sum(axis=0)
    for name, size in (("positive", positives), ("negative", len(classes) - positives)):
        if (size == 0).any():
            raise AssayError(
                f"the {name} class is empty in label column {int(np.argmin(size))}; a probe needs both classes"
            )
    weights = np.ones(len(classes)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (len(classes),) or not np.isfinite(weights).all() or (weights < 0).any():
        raise AssayError(f"sample_weight must be one finite number ≥ 0 for each of {len(classes)} rows")
    return activations, classes.astype(bool), weights


def _class_weights(classes: NDArray[np.bool_], cap: float) -> Floats:
    """[n, k]: min(negatives / positives, cap) on positives, but at least 1; 1 on negatives."""
    positives = classes.sum(axis=0)
    weight = np.clip((len(classes) - positives) / positives, 1.0, max(cap, 1.0))
    return np.where(classes, weight, 1.0)


def standardisation(X: Floats) -> tuple[Floats, Floats]:
    """Mean [d] and standard deviation [d]; 1 for a feature that is constant within rounding.

    The bound on rounding is scikit-learn's `_is_constant_feature`.
    """
    mean, variance = X.mean(axis=0), X.var(axis=0)
    eps = np.finfo(np.float64).eps
    constant = variance <= len(X) * eps * variance + (len(X) * mean * eps) ** 2
    return mean, np.where(constant, 1.0, np.sqrt(variance))
