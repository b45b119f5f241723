"""Texts for the page, and what every probe says about every token of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.activations.batch_reader import BatchReader
from assay.errors import AssayError
from assay.models.loading import LoadedModel
from assay.models.sites import Site
from assay.probes.linear import Probe
from assay.prompts.documents import Document
from assay.prompts.records import PromptRecord
from assay.prompts.windows import TokenizedText, tokenize

_BATCH = 8  # chunks per forward pass
Chunk = tuple[str, NDArray[np.int64], NDArray[np.int64]]
"""(name, ids, positions in ids)."""


@dataclass(frozen=True)
class Passage:
    """The beginning of a document, as the page shows it."""

    name: str
    text: str
    tokens: TokenizedText


def held_out_documents(records: Sequence[PromptRecord]) -> list[Document]:
    """The test split's documents, put together again from their windows; a gap in the windows ends one."""
    texts: dict[str, tuple[int, str]] = {}  # document → (number of its next window, text so far)
    for record in records:
        if record.split != "test" or record.text is None or record.group is None:
            continue
        number = int(record.id.rsplit("#", 1)[1])
        expected, text = texts.get(record.group, (number, ""))
        if number == expected:
            texts[record.group] = (number + 1, text + record.text)
    return [Document(name, text) for name, (_, text) in texts.items()]


def take_passages(
    tokenizer: Any, documents: Sequence[Document], n_tokens: int, per_document: int
) -> list[Passage]:
    """The first `per_document` tokens of each document, until there are `n_tokens`. Raises AssayError without any."""
    passages: list[Passage] = []
    left = n_tokens
    for document in documents:
        if left <= 0:
            break
        whole = tokenize(tokenizer, document.text, document.id)
        count = min(left, per_document, len(whole.ends))
        tokens = TokenizedText(
            whole.ids[: whole.n_special + count], whole.n_special, whole.starts[:count], whole.ends[:count]
        )
        passages.append(Passage(document.id, document.text[: int(whole.ends[count - 1])], tokens))
        left -= count
    if not passages:
        raise AssayError("there is no text to show; give a file with some, and at least one token to show")
    return passages


def truths(passages: Sequence[Passage], target: int, variant: str) -> str:
    """One character per token: 1 (yes), 0 (no), - (the next token is not in the passage)."""
    marks: list[str] = []
    for passage in passages:
        ids = passage.tokens.text_ids
        asked = ids if variant == "current" else ids[1:]
        marks += ["1" if token == target else "0" for token in asked]
        marks += ["-"] * (len(ids) - len(asked))
    return "".join(marks)


def probe_probabilities(
    loaded: LoadedModel,
    passages: Sequence[Passage],
    probes: Mapping[str, Mapping[int, Probe]],
    *,
    site: Site,
    context: int,
) -> dict[str, NDArray[np.float64]]:
    """variant → probability of the positive class [layers, tokens] for every text token, by that variant's probes.

    A passage runs through the model in chunks of `context` tokens that overlap by a quarter, so that after the first
    chunk every token has at least that much left context. `probes` is variant → layer → probe, equal layers in each.
    """
    layers = sorted(next(iter(probes.values())))
    found: dict[str, list[NDArray[np.float64]]] = {variant: [] for variant in probes}
    chunks = list(_chunks(passages, context))
    with BatchReader(
        loaded.model, loaded.architecture, site, layers, pooling="none", dtype="float32"
    ) as reader:
        for start in range(0, len(chunks), _BATCH):
            names, ids, positions = zip(*chunks[start : start + _BATCH], strict=True)
            rows = reader.read(names, ids, positions)  # [rows, layers, width]
            for variant, by_layer in probes.items():
                found[variant].append(
                    np.stack(
                        [by_layer[layer].predict_proba(rows[:, at])[:, 1] for at, layer in enumerate(layers)]
                    )
                )
    return {variant: np.concatenate(parts, axis=1) for variant, parts in found.items()}


def _chunks(passages: Sequence[Passage], context: int) -> Iterator[Chunk]:
    """Every text token is a position of exactly one chunk, in order."""
    for passage in passages:
        special = passage.tokens.n_special
        lead, ids = passage.tokens.ids[:special], passage.tokens.text_ids
        room = context - special
        if room < 4:
            raise AssayError(f"context {context} is too short for chunks; give at least {special + 4}")
        overlap = room // 4
        begin = 0
        while begin == 0 or begin + overlap < len(ids):
            chunk = ids[begin : begin + room]
            first = special + (overlap if begin else 0)
            yield passage.name, np.concatenate([lead, chunk]), np.arange(first, special + len(chunk))
            begin += room - overlap
