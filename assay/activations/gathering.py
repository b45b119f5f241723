"""Activations of a few records, in memory: for analyses of some prompts, where a store would be too much."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.activations.batch_reader import BatchReader
from assay.errors import AssayError
from assay.forward.batching import Halver, plan_batches
from assay.models.architecture import Architecture
from assay.models.sites import Site
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import Encoding, encode


@dataclass(frozen=True)
class Activations:
    """One record: its encoding, the read `tokens` (indices into its ids, int64 [n]) and `rows` [n, layers, width] float32."""

    encoding: Encoding
    tokens: NDArray[np.int64]
    rows: NDArray[np.float32]


def gather(
    model: Any,
    architecture: Architecture,
    tokenizer: Any,
    records: Sequence[PromptRecord],
    *,
    site: Site,
    layers: Sequence[int],
    position: str,
    token_budget: int = 4096,
) -> list[Activations]:
    """Read `site` at `layers` (in the order given) for the tokens of `position`, in the order of `records`.

    Everything is held at once: for thousands of records use `extract`. Raises AssayError for no record, one that is
    longer than the model's context, and NaN or infinite activations.
    """
    if not records:
        raise AssayError("there is no record to read; give at least one")
    encodings = [encode(tokenizer, record, [position]) for record in records]
    lengths = [len(encoding.ids) for encoding in encodings]
    limit = architecture.sizes.context_length
    if max(lengths) > limit:
        raise AssayError(
            f"record {records[int(np.argmax(lengths))].id!r} has {max(lengths)} tokens, the model reads at most {limit}; "
            "cut it shorter"
        )
    tokens = [encoding.positions[position] for encoding in encodings]
    with BatchReader(model, architecture, site, layers, pooling="none", dtype="float32") as reader:
        rows = read_tokens(reader, [r.id for r in records], [e.ids for e in encodings], tokens, token_budget)
    return [Activations(*one) for one in zip(encodings, tokens, rows, strict=True)]


def read_tokens(
    reader: BatchReader,
    names: Sequence[str],
    ids: Sequence[NDArray[np.int64]],
    positions: Sequence[NDArray[np.int64]],
    token_budget: int,
) -> list[NDArray[np.float32]]:
    """Rows [positions, layers, width] of each text, in order, by a float32 reader that pools nothing.

    Texts are read in batches of like length; one that does not fit into memory is halved.
    """
    lengths = [len(one) for one in ids]
    halver = Halver(lengths, names)
    found: dict[int, NDArray[np.float32]] = {}

    def forward(part: Sequence[int]) -> NDArray[np.float32]:
        return reader.read([names[i] for i in part], [ids[i] for i in part], [positions[i] for i in part])

    for batch in plan_batches(lengths, token_budget):
        for part, rows in halver.run(batch, forward):
            ends = np.cumsum([len(positions[index]) for index in part])
            found.update(zip(part, np.split(rows, ends[:-1]), strict=True))
    return [found[index] for index in range(len(ids))]
