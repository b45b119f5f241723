"""The vectors that the study compares, gathered as entries of one kind, whatever method they come from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from assay.activations.gathering import gather
from assay.directions.adapter_effect import adapter_effect
from assay.directions.mean_difference import Variant
from assay.directions.naive import NAME, NamePair, Stem, naive_directions
from assay.directions.natural import Naturals, n_leading, natural_vectors
from assay.directions.similarity import cosine_matrix, off_diagonal
from assay.finetuning.adapters import AdapterInfo, load_vectors, read_info
from assay.interventions.direction import Direction, DirectionInfo
from assay.models.loading import LoadedModel
from assay.models.registry import Pin
from assay.models.sites import Site
from assay.prompts.records import PromptRecord
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import mean
from assay.studies.oocr.vectors.inputs import AdapterRuns
from assay.studies.oocr.vectors.tables import Entry

NaturalKey = tuple[str, str]
"""(source, name of the texts)."""
Progress = Callable[[int, int, str], None]
COMPARED: tuple[Variant, ...] = (
    "mean",
    "pca",
)  # natural vectors in the matrices; centred they are shown by layer


@dataclass(frozen=True)
class Names:
    """Code names with their real names, and the stems they are read in, both by kind."""

    pairs: Mapping[str, Sequence[NamePair]]
    stems: Mapping[str, Sequence[Stem]]

    @property
    def kinds(self) -> dict[str, str]:
        """code → kind."""
        return {pair.code: kind for kind, some in self.pairs.items() for pair in some}


@dataclass(frozen=True)
class Comparison:
    """All vectors: `naive` by code, `naturals` by source and texts, `entries` of all methods.

    `residuals` [n, d_model] are outputs of the last block, for lenses.
    """

    naive: Mapping[str, Direction]
    naturals: Mapping[NaturalKey, Naturals]
    entries: Sequence[Entry]
    residuals: torch.Tensor


def compare(
    loaded: LoadedModel,
    adapters: Sequence[AdapterRuns],
    names: Names,
    texts: Mapping[str, Sequence[PromptRecord]],
    *,
    site: Site,
    n_residuals: int,
    token_budget: int,
    progress: Progress,
) -> Comparison:
    """Find every vector; naive ones are read at `site` of all layers, natural ones from what LoRA adds to each of `texts`."""
    naive: dict[str, Direction] = {}
    for kind, pairs in names.pairs.items():
        layers = range(loaded.architecture.n_layers)
        naive |= naive_directions(
            loaded, pairs, names.stems[kind], site=site, layers=layers, token_budget=token_budget
        )
    entries = naive_entries(naive, names.kinds)
    naturals: dict[NaturalKey, Naturals] = {}
    for done, adapter in enumerate(adapters, 1):
        entries += learned_entries(adapter, loaded.pin, names.kinds)
        if adapter.kind:
            pairs, stems = names.pairs[adapter.kind], names.stems[adapter.kind]
            entries += lora_entries(loaded, adapter, pairs, stems, token_budget)
        found = naturals_of(loaded, adapter, texts, token_budget)
        entries += natural_entries(found, adapter)
        naturals |= found
        progress(done, len(adapters), adapter.name)
    every = [record for some in texts.values() for record in some]
    held = final_residuals(loaded, every, n_residuals, token_budget)
    return Comparison(naive, naturals, entries, held)


def source_of(adapter: AdapterRuns, run: str) -> str:
    """What tables call one run of an adapter."""
    return f"{adapter.name}/{run}" if run else adapter.name


def learned_entries(adapter: AdapterRuns, pin: Pin, kinds: Mapping[str, str]) -> list[Entry]:
    """The trained vectors of all runs that hold any; `kinds` gives each code name's kind.

    A vector is about the code name that it, or else its adapter, is called by; without one it is called as the adapter.
    """
    entries = []
    for run, folder in adapter.runs.items():
        if read_info(folder).method != "vector":
            continue
        for called, direction in load_vectors(folder, pin).directions.items():
            name = called if called in kinds else adapter.name
            kind = kinds.get(name, adapter.kind)
            entries.append(Entry("learned", name, source_of(adapter, run), kind, direction))
    return entries


def lora_entries(
    loaded: LoadedModel,
    adapter: AdapterRuns,
    pairs: Sequence[NamePair],
    stems: Sequence[Stem],
    token_budget: int,
) -> list[Entry]:
    """What the LoRA runs of an adapter add at the last token of each code name, mean over stems, at each of their layers."""
    records = [stem.record(pair.code) for pair in pairs for stem in stems]
    entries = []
    for run, folder in adapter.runs.items():
        info = read_info(folder)
        if info.method != "lora":
            continue
        about = _lora_info(info, len(stems))
        effect = adapter_effect(loaded, folder, records, position=f"span:{NAME}", token_budget=token_budget)
        for layer, read in effect.items():
            last = np.stack([one.rows[-1, 0] for one in read]).astype(np.float64)
            means = last.reshape(len(pairs), len(stems), -1).mean(axis=1)
            entries += [
                Entry(
                    "lora", pair.code, source_of(adapter, run), adapter.kind, Direction({layer: row}, about)
                )
                for pair, row in zip(pairs, means, strict=True)
                if row.any()
            ]
    return entries


def _lora_info(info: AdapterInfo, n_stems: int) -> DirectionInfo:
    return DirectionInfo(
        pin=info.pin,
        site="mlp_out",
        method=f"LoRA of seed {info.seed} minus its baseline, last token of the name, mean of {n_stems} prompts",
        scales={},
        training=info.training,
    )


def naive_entries(naive: Mapping[str, Direction], kinds: Mapping[str, str]) -> list[Entry]:
    """Naive vectors of all layers."""
    return [
        Entry("naive", name, "", kinds[name], direction.at(layer))
        for name, direction in naive.items()
        for layer in direction.layers
    ]


def naturals_of(
    loaded: LoadedModel, adapter: AdapterRuns, texts: Mapping[str, Sequence[PromptRecord]], token_budget: int
) -> dict[NaturalKey, Naturals]:
    """The natural vectors of every LoRA run of an adapter on every one of `texts`."""
    return {
        (source_of(adapter, run), name): natural_vectors(loaded, folder, some, token_budget=token_budget)
        for run, folder in adapter.runs.items()
        if read_info(folder).method == "lora"
        for name, some in texts.items()
    }


def natural_entries(naturals: Mapping[NaturalKey, Naturals], adapter: AdapterRuns) -> list[Entry]:
    """The compared variants of natural vectors; they are about no single code name."""
    return [
        Entry("natural", f"{variant} ({texts})", source, adapter.kind, natural.direction(variant).at(layer))
        for (source, texts), natural in naturals.items()
        for layer in natural.layers
        for variant in COMPARED
    ]


def final_residuals(
    loaded: LoadedModel, records: Sequence[PromptRecord], most: int, token_budget: int
) -> torch.Tensor:
    """Outputs [n, d_model] of the last block at up to `most` tokens of the texts, spread evenly; without leading tokens."""
    read = gather(
        loaded.model, loaded.architecture, loaded.tokenizer, records,
        site="resid", layers=[loaded.architecture.n_layers - 1], position="all", token_budget=token_budget,
    )  # fmt: skip
    leading = n_leading(loaded.tokenizer, read)
    rows = np.concatenate([one.rows[leading:, 0] for one in read])
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    return torch.from_numpy(rows[chosen])


def alignment_metrics(entries: Sequence[Entry], naive: Mapping[str, Direction]) -> dict[str, float | int]:
    """Mean cosines with intervals over names: learned with naive at its own layer, and learned vectors of two runs.

    A kind has a mean where at least two of its names have one: an interval over one name is undefined.
    """
    metrics: dict[str, float | int] = {}
    learned = [entry for entry in entries if entry.method == "learned"]
    for kind in sorted({entry.kind for entry in learned}):
        own, across = [], []
        for name in sorted({entry.name for entry in learned if entry.kind == kind}):
            runs = [entry for entry in learned if (entry.kind, entry.name) == (kind, name)]
            if name in naive:
                found = [cosine_matrix([e.vector], [naive[name].vectors[e.layer]])[0, 0] for e in runs]
                own.append(float(np.mean(found)))
            across += _across_runs(runs)
        for what, values in (("naive_learned_cosine", own), ("across_runs_cosine", across)):
            if len(values) > 1:
                metrics |= _mean_cosine(values).metrics(f"{kind or 'tasks'}_{what}")
    return metrics


def _across_runs(entries: Iterable[Entry]) -> list[float]:
    """Mean cosine of the runs of one name and layer with one another, for each layer that has two of them."""
    by_layer: dict[int, list[Entry]] = {}
    for entry in entries:
        by_layer.setdefault(entry.layer, []).append(entry)
    return [
        float(off_diagonal(cosine_matrix([e.vector for e in some])).mean())
        for some in by_layer.values()
        if len(some) > 1
    ]


def _mean_cosine(values: Sequence[float]) -> Estimate:
    """Their mean; an interval of cosines ends at 1."""
    found = mean(values)
    return Estimate(found.value, max(-1.0, found.lower), min(1.0, found.upper), found.n)
