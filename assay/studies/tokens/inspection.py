"""What a person and a machine should look at before probing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from assay.activations.store import HasFingerprint, open_store
from assay.errors import AssayError
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode
from assay.studies.tokens.rows import SPLITS, Rows, labelled_rows
from assay.studies.tokens.sampling import VARIANTS

_BEFORE, _AFTER = 70, 35  # characters shown around a position
_CHUNK = 4096  # rows read at once


def sizes(
    tokenizer: PreTrainedTokenizerBase, records: Sequence[PromptRecord], vocab_size: int
) -> dict[str, float | int]:
    """Records, tokens, rows and class balance by split, and the range of token ids.

    Raises AssayError for an id that the model has no embedding for, or a position outside its window.
    """
    low, high, tokens = vocab_size, -1, 0
    for record in records:
        ids = encode(tokenizer, record, ("explicit",)).ids
        low, high, tokens = min(low, int(ids.min())), max(high, int(ids.max())), tokens + len(ids)
    if low < 0 or high >= vocab_size:
        raise AssayError(
            f"token ids reach from {low} to {high}, the model knows 0 to {vocab_size - 1}; check the tokenizer"
        )
    counts: dict[str, float | int] = {
        "records": len(records),
        "tokens": tokens,
        "token_id_min": low,
        "token_id_max": high,
    }
    for split in SPLITS:
        counts[f"{split}_records"] = sum(record.split == split for record in records)
        for variant in VARIANTS:
            rows = labelled_rows(records, variant, split)
            counts[f"{split}_{variant}_rows"] = len(rows.row)
            counts[f"{split}_{variant}_positive_share"] = float(rows.label.mean())
    return counts


def finite_rows(path: Path, pin: HasFingerprint) -> dict[str, float | int]:
    """Count the rows of a store. Raises AssayError that names the layer of the first NaN or infinity."""
    with open_store(path, pin=pin) as store:
        for layer in store.layers:
            bad = sum(
                int((~np.isfinite(rows)).any(axis=1).sum()) for rows in store.iter_chunks(layer, _CHUNK)
            )
            if bad:
                raise AssayError(
                    f"{path}: {bad} of {store.n_rows} rows of layer {layer} hold NaN or infinity; extract again in bfloat16 "
                    "or float32"
                )
        return {"store_rows": store.n_rows, "store_layers": len(store.layers), "store_width": store.d}


def sample_page(records: Sequence[PromptRecord], per_class: int, seed: int) -> str:
    """Markdown with random positives and negatives of each variant."""
    rng = np.random.default_rng(seed)
    lines = [
        "# Samples",
        "",
        "The probed token ends at `▮`; what follows it is what the model has not read yet.",
        "",
    ]
    for variant in VARIANTS:
        rows = labelled_rows(records, variant, "test")
        for positive in (True, False):
            lines += [f"## {variant} token: {'positives' if positive else 'negatives'}", ""]
            candidates = np.flatnonzero(rows.label == positive)
            for row in rng.permutation(candidates)[:per_class]:
                lines.append(f"- {_excerpt(records, rows, int(row))}")
            lines.append("")
    return "\n".join(lines)


def _excerpt(records: Sequence[PromptRecord], rows: Rows, row: int) -> str:
    record = records[rows.record[row]]
    before = rows.before[row]
    text = record.text or ""
    shown = f"{before[-_BEFORE:]}▮{text[len(before) : len(before) + _AFTER]}"
    fence = "``" if "`" in shown else "`"
    return f"{fence} {' '.join(shown.split())} {fence} ({record.id})"
