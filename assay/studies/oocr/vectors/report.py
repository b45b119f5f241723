"""What the comparison of vectors writes: direction files, adapters that add natural vectors, tables and metrics."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from assay.directions.logit_lens import LogitLens
from assay.directions.mean_difference import VARIANTS
from assay.errors import AssayError
from assay.finetuning import adapters
from assay.interventions.direction import save_direction
from assay.models.loading import LoadedModel
from assay.studies.oocr.vectors import tables
from assay.studies.oocr.vectors.entries import Comparison, alignment_metrics

FILES = ("naive/*.safetensors", *(f"{variant}.safetensors" for variant in VARIANTS), *adapters.FILES)
"""What `save_vectors` writes, as patterns of files that may be replaced."""


def save_vectors(folder: Path, found: Comparison) -> None:
    """Directions in naive/ and natural/, and the effects of natural vectors in effects/ as adapter folders.

    effects/<adapter>_<texts>_<variant>_layer_<L> holds the adapter, or one for each run as a training of several runs writes them.
    """
    names = {code: file_name(code) for code in found.naive}
    if len(set(names.values())) != len(names):
        raise AssayError("two code names give the same file name; make them differ in letters or digits")
    for code, direction in found.naive.items():
        save_direction(folder / "naive" / f"{names[code]}.safetensors", direction)
    for (source, texts), natural in found.naturals.items():
        adapter, _, run = source.partition("/")
        for variant in VARIANTS:
            save_direction(
                folder / "natural" / source / texts / f"{variant}.safetensors", natural.direction(variant)
            )
            for layer in natural.layers:
                natural.save_effect(
                    folder / "effects" / f"{adapter}_{texts}_{variant}_layer_{layer}" / run, variant, layer
                )


def file_name(name: str) -> str:
    """A name without what file names should not hold."""
    return re.sub(r"[^\w.-]+", "_", name)


def tables_of(
    found: Comparison, loaded: LoadedModel, *, k: int, related: Mapping[str, set[str]]
) -> dict[str, pd.DataFrame]:
    """Every table by name; `k` tokens of either end in lenses, `related` words by adapter."""
    groups = tables.groups(found.entries)
    compared = [entry for some in groups for entry in some]
    compared += [entry for entry in found.entries if entry.method == "natural" and entry not in compared]
    lens = tables.lens_table(LogitLens(loaded.architecture), loaded.tokenizer, compared, found.residuals, k)
    cosines = pd.concat([tables.cosine_table(some) for some in groups], ignore_index=True)
    return {
        "cosines": cosines,
        "cosine_summary": tables.cosine_summary(cosines),
        "naive_by_layer": tables.naive_by_layer(found.naive, found.entries),
        "natural": tables.natural_table(found.naturals),
        "norms": tables.norm_table(found.naturals, loaded.tokenizer),
        "token_cosines": tables.token_cosine_table(found.naturals),
        "lens": lens,
        "lens_counts": tables.lens_counts(lens),
        "related": tables.related_table(lens, related),
    }


def metrics_of(found: Comparison) -> dict[str, float | int]:
    """Mean cosines with intervals, and for each LoRA run and texts the share and norms behind its (middle) natural vector."""
    metrics = alignment_metrics(found.entries, found.naive)
    for (source, texts), natural in found.naturals.items():
        name = f"{source.replace('/', '_')}_{texts}"
        shown = natural.layers[natural.middle]
        metrics |= {
            f"{name}_natural_explained": shown.explained,
            f"{name}_natural_tokens": shown.n_tokens,
            f"{name}_norm": shown.norm_mean,
            **{f"{name}_norm_token_{place}": norm for place, norm in enumerate(shown.norm_leading)},
        }
    return metrics
