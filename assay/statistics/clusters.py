"""Which items belong together: clusters, and strata of clusters, as numbers."""

import numpy as np
from numpy.typing import ArrayLike

from assay.arrays import Ints
from assay.errors import AssayError


def cluster_codes(clusters: ArrayLike | None, n: int) -> tuple[Ints, int]:
    """The number of each item's cluster, and how many there are; without clusters every item is its own."""
    if clusters is None:
        return np.arange(n), n
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise AssayError(f"expected one cluster label for each of {n} items, found shape {labels.shape}")
    names, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int64), len(names)


def stratified_codes(clusters: ArrayLike | None, strata: ArrayLike | None, n: int) -> tuple[Ints, list[int]]:
    """The cluster number of each item, numbered stratum by stratum, and how many clusters each stratum has."""
    codes, n_clusters = cluster_codes(clusters, n)
    if strata is None:
        return codes, [n_clusters]
    stratum, _ = cluster_codes(strata, n)
    first = np.unique(codes, return_index=True)[1]
    if (stratum != stratum[first][codes]).any():
        raise AssayError("items of one cluster lie in several strata; give every cluster one stratum")
    number = np.empty(n_clusters, np.int64)
    number[np.argsort(stratum[first], kind="stable")] = np.arange(n_clusters)
    return number[codes], np.bincount(stratum[first]).tolist()
