"""Tidy tables of the comparison of vectors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from assay.arrays import Floats
from assay.directions.logit_lens import READINGS, LogitLens, lens_tokens, token_text
from assay.directions.mean_difference import VARIANTS, token_norms
from assay.directions.natural import Naturals
from assay.directions.similarity import cosine_matrix, random_band
from assay.interventions.direction import Direction

Method = Literal["naive", "learned", "lora", "natural"]
NAIVE_BY_LAYER = [
    "kind", "method", "name", "source", "blocks", "trained_layer", "layer", "own", "others", "band"
]  # fmt: skip
NATURAL = ["source", "texts", "layer", "tokens", "norm", "norm_of_mean", "explained", "explained_centred"]
NATURAL += ["cosine_pca", "cosine_pca_centred"]
NORMS = ["source", "texts", "layer", "position", "token", "used", "norm"]
RELATED = ["adapter", "vector", "method", "layer", "reading", "share"]
TOKEN_COSINES = ["source", "texts", "layer", "first", "second", "cosine"]
_LENS_ROWS = 64  # vectors whose logits are held at once
_ORDER = ("naive", "learned", "lora", "natural")


@dataclass(frozen=True, eq=False)
class Entry:
    """A direction of one layer with a name and a run.

    Attributes:
        method: naive (real − code name), learned, lora (what LoRA adds at the code name) or natural.
        name: the code name, or the adapter's where the direction is about none.
        source: adapter and run it comes from, "" for naive.
        kind: of the code name, "" without one.
        direction: what it is.
    """

    method: Method
    name: str
    source: str
    kind: str
    direction: Direction

    @property
    def layer(self) -> int:
        """Of its vector."""
        return self.direction.layer

    @property
    def vector(self) -> Floats:
        """[d_model] float64."""
        return self.direction.vector

    @property
    def label(self) -> str:
        """What figures call it."""
        return " · ".join(part for part in (self.method, self.name, self.source) if part)


def groups(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The entries to compare: those of one kind and layer, and of the naive ones only names that were also trained.

    A kind has a group for each layer at which a vector was learned, or else for the one layer with the most entries.
    """
    every = list(entries)
    trained = {(e.kind, e.layer, e.name) for e in every if e.method in ("learned", "lora")}
    found: dict[str, dict[int, list[Entry]]] = {}
    for entry in sorted(every, key=lambda e: (e.kind, e.layer, _ORDER.index(e.method), e.name, e.source)):
        if entry.method != "naive" or (entry.kind, entry.layer, entry.name) in trained:
            found.setdefault(entry.kind, {}).setdefault(entry.layer, []).append(entry)
    chosen = []
    for by_layer in found.values():
        learned = [some for some in by_layer.values() if any(e.method == "learned" for e in some)]
        chosen += learned or [max(by_layer.values(), key=len)]
    return chosen


def cosine_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """One row per pair of the entries of a group (each with itself too), with the 95 % band of random |cosines|."""
    matrix = cosine_matrix(np.stack([entry.vector for entry in entries]))
    band = random_band(len(entries[0].vector))
    rows = [
        {
            "kind": a.kind, "layer": a.layer, "first": a.label, "second": b.label,
            "methods": f"{a.method}-{b.method}", "same_name": a.name == b.name,
            "cosine": round(float(matrix[i, j]), 6), "band": round(band, 6),
        }
        for i, a in enumerate(entries)
        for j, b in enumerate(entries[i:], i)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cosine_summary(cosines: pd.DataFrame) -> pd.DataFrame:
    """By kind, layer, the two methods and whether both are about the same name: how many pairs, and how alike they are.

    `outside` is the share of pairs whose |cosine| lies beyond the 95 % band of random vectors: 0.05 of random ones do.
    """
    pairs = cosines[cosines["first"] != cosines["second"]]
    pairs = pairs.assign(size=pairs["cosine"].abs(), outside=pairs["cosine"].abs() > pairs["band"])
    keys = ["kind", "layer", "methods", "same_name"]
    found = pairs.groupby(keys).agg(
        pairs=("cosine", "size"), mean=("cosine", "mean"), lowest=("cosine", "min"), highest=("cosine", "max"),
        mean_size=("size", "mean"), outside=("outside", "mean"), band=("band", "first"),
    )  # fmt: skip
    return found.round(6).reset_index()


def naive_by_layer(naive: Mapping[str, Direction], entries: Iterable[Entry]) -> pd.DataFrame:
    """Cosine of every learned (and LoRA) vector of a code name with naive vectors, by their layer.

    Those of one trained layer meet the naive vectors of all layers; those of a LoRA of several blocks (`blocks`) the naive
    vector of their own layer. `own` is with its own name's, `others` the mean with those of the other names of its kind
    (empty where there is none): what all code names share, such as being one, is in both.
    """
    every = [entry for entry in entries if entry.method in ("learned", "lora") and entry.name in naive]
    rows = []
    for entry in every:
        blocks = len({e.layer for e in every if (e.source, e.name) == (entry.source, entry.name)})
        names = [entry.name, *sorted({e.name for e in every if e.kind == entry.kind} - {entry.name})]
        for layer in naive[entry.name].layers if blocks == 1 else [entry.layer]:
            found = cosine_matrix(entry.vector[None], [naive[name].vectors[layer] for name in names])[0]
            rows.append(
                {
                    "kind": entry.kind, "method": entry.method, "name": entry.name, "source": entry.source,
                    "blocks": blocks, "trained_layer": entry.layer, "layer": layer, "own": round(float(found[0]), 6),
                    "others": round(float(found[1:].mean()), 6) if len(names) > 1 else None,
                    "band": round(random_band(len(entry.vector)), 6),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=NAIVE_BY_LAYER)


def natural_table(naturals: Mapping[tuple[str, str], Naturals]) -> pd.DataFrame:
    """One row per adapter's run and layer: norms, explained variance, and how far each component is from the mean."""
    rows = []
    for (source, texts), natural in naturals.items():
        for layer, found in natural.layers.items():
            mean, *components = (found.vectors[variant] for variant in VARIANTS)
            near = cosine_matrix(mean[None], components)[0]
            rows.append(
                {
                    "source": source, "texts": texts, "layer": layer, "tokens": found.n_tokens,
                    **{f"norm_token_{place}": norm for place, norm in enumerate(found.norm_leading)},
                    "norm": found.norm_mean, "norm_of_mean": float(np.linalg.norm(mean)),
                    "explained": found.explained, "explained_centred": found.explained_centred,
                    "cosine_pca": float(near[0]), "cosine_pca_centred": float(near[1]),
                }
            )  # fmt: skip
    return pd.DataFrame(rows or None, columns=None if rows else NATURAL).round(6)


def norm_table(naturals: Mapping[tuple[str, str], Naturals], tokenizer: Any) -> pd.DataFrame:
    """One row per token of the first text, for each run and layer: the norm of what the adapter adds there."""
    rows = [
        {
            "source": source, "texts": texts, "layer": layer, "position": position, "token": token_text(tokenizer, int(token)),
            "used": position >= natural.n_leading, "norm": round(float(norm), 6),
        }
        for (source, texts), natural in naturals.items()
        for layer, found in natural.layers.items()
        for position, (token, norm) in enumerate(zip(natural.tokens, token_norms(found.shown), strict=True))
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=NORMS)


def token_cosine_table(naturals: Mapping[tuple[str, str], Naturals]) -> pd.DataFrame:
    """|cosine| of what each run adds at every pair of tokens of the first text, leading ones left out.

    Of a run of several layers its middle one is taken.
    """
    parts = []
    for (source, texts), natural in naturals.items():
        shown = natural.layers[natural.middle].shown[natural.n_leading :]
        places = natural.n_leading + np.flatnonzero(token_norms(shown))
        matrix = np.abs(cosine_matrix(shown[places - natural.n_leading]))
        first, second = np.meshgrid(places, places, indexing="ij")
        where = {"source": source, "texts": texts, "layer": natural.middle}
        columns = {"first": first.ravel(), "second": second.ravel()}
        parts.append(pd.DataFrame({**where, **columns, "cosine": matrix.ravel().round(6)}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=TOKEN_COSINES)


def lens_table(
    lens: LogitLens, tokenizer: Any, entries: Sequence[Entry], residuals: torch.Tensor, k: int
) -> pd.DataFrame:
    """The k top and bottom tokens of every entry in every reading; `residuals` [n, d_model] are for `difference`."""
    return pd.DataFrame(_lens_rows(lens, tokenizer, entries, residuals, k))


def _lens_rows(
    lens: LogitLens, tokenizer: Any, entries: Sequence[Entry], residuals: torch.Tensor, k: int
) -> Iterator[dict[str, Any]]:
    for reading in READINGS:
        for first in range(0, len(entries), _LENS_ROWS):
            some = entries[first : first + _LENS_ROWS]
            vectors = torch.from_numpy(np.stack([entry.vector for entry in some])).float()
            for entry, values in zip(some, lens.read(reading, vectors, residuals), strict=True):
                for found in lens_tokens(tokenizer, values, k):
                    yield {
                        "vector": entry.label, "method": entry.method, "name": entry.name, "source": entry.source,
                        "layer": entry.layer, "reading": reading, "side": found.side, "rank": found.rank,
                        "token_id": found.token_id, "token": found.token, "value": round(found.value, 6),
                    }  # fmt: skip


def lens_counts(lens: pd.DataFrame) -> pd.DataFrame:
    """On how many layers each token is among those shown, for each vector, reading and side; most frequent first."""
    keys = ["vector", "reading", "side", "token_id", "token"]
    counts = lens.groupby(keys)["layer"].nunique().reset_index(name="layers")
    order = [*keys[:3], "layers", "token_id"]
    return counts.sort_values(order, ascending=[True] * 3 + [False, True], ignore_index=True)


def related_table(lens: pd.DataFrame, related: Mapping[str, set[str]]) -> pd.DataFrame:
    """Share of the top tokens that are words of what the adapter was trained on, by vector, layer and reading.

    `related` names words by adapter; a token is compared without its spaces and in lower case.
    """
    top = lens[lens["side"] == "top"]
    adapter = top["source"].str.partition("/")[0]
    method = top["method"].where(top["method"] != "natural", "natural, " + top["name"])
    top = top.assign(adapter=adapter, method=method)[adapter.isin(related)]
    words = top["token"].str.strip().str.lower()
    hits = [word in related[name] for word, name in zip(words, top["adapter"], strict=True)]
    shared = top.assign(share=np.array(hits, dtype=float)).groupby(RELATED[:-1])["share"].mean()
    return shared.round(6).reset_index()
