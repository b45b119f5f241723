"""Natural vectors of an adapter: estimated at each of its layers from what it adds to the tokens of some texts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.activations.gathering import Activations
from assay.arrays import Floats
from assay.directions.adapter_effect import adapter_effect
from assay.directions.mean_difference import (
    VARIANTS,
    Variant,
    explained_variance,
    natural_vector,
    token_norms,
)
from assay.finetuning.adapters import AdapterInfo, SteeringVectors, read_info, save_vectors
from assay.interventions.direction import Direction, DirectionInfo
from assay.models.loading import LoadedModel
from assay.prompts.records import PromptRecord

TOKENS_SHOWN = 100  # of the first text, in profiles and matrices of tokens


@dataclass(frozen=True)
class NaturalLayer:
    """An adapter's natural vectors at one layer and what they rest on.

    Attributes:
        vectors: [d_model] by variant.
        n_tokens: behind them.
        explained, explained_centred: share of the first component, without and with centring.
        norm_leading: mean norm of the differences at the tokens that are left out, by place (0 is BOS if there is one).
        norm_mean: the same of the tokens that count.
        shown: differences [tokens, d_model] at the first tokens of the first text, the ones left out too.
    """

    vectors: Mapping[Variant, Floats]
    n_tokens: int
    explained: float
    explained_centred: float
    norm_leading: tuple[float, ...]
    norm_mean: float
    shown: Floats


@dataclass(frozen=True)
class Naturals:
    """The natural vectors of one adapter by layer; `n_leading` tokens of every text were left out.

    `tokens` are the ids behind the rows of `shown`, `training` a digest of the texts and of what the adapter learned from.
    """

    info: AdapterInfo
    layers: Mapping[int, NaturalLayer]
    n_leading: int
    tokens: NDArray[np.int64]
    training: str

    @property
    def middle(self) -> int:
        """The middle one of its layers, which is shown where only one can be."""
        return sorted(self.layers)[len(self.layers) // 2]

    def direction(self, variant: Variant) -> Direction:
        """One variant as a direction at `mlp_out`, a vector for each layer."""
        info = DirectionInfo(
            pin=self.info.pin,
            site="mlp_out",
            method=f"natural ({variant}): LoRA of seed {self.info.seed} minus its baseline, {self._count()} tokens",
            scales={layer: found.norm_mean for layer, found in self.layers.items()},
            training=self.training,
        )
        return Direction({layer: found.vectors[variant] for layer, found in self.layers.items()}, info)

    def save_effect(self, folder: Path, variant: Variant, layer: int) -> None:
        """Write the vector as an adapter that adds it to the base model at every token."""
        info = replace(
            self.info, method="vector", site="mlp_out", layers=(layer,), scopes={"natural": "all"}, training=self.training
        )  # fmt: skip
        save_vectors(folder, SteeringVectors({"natural": self.direction(variant).at(layer)}, info))

    def _count(self) -> int:
        return next(iter(self.layers.values())).n_tokens


def natural_vectors(
    loaded: LoadedModel, folder: Path, records: Sequence[PromptRecord], *, token_budget: int = 4096
) -> Naturals:
    """Estimate them from what the LoRA adapter of `folder` adds to the tokens of `records`.

    BOS and the token after it are left out: in many models their activations have norms far from all others', and a
    mean or a component would be theirs. `NaturalLayer.norm_leading` measures whether it is so. Raises AssayError for an adapter that is not LoRA, or changes nothing.
    """
    effect = adapter_effect(loaded, folder, records, token_budget=token_budget)
    some = next(iter(effect.values()))
    leading = n_leading(loaded.tokenizer, some)
    digest = hashlib.sha256(read_info(folder).training.encode())
    for one in some:
        digest.update(one.encoding.ids.astype("<i8").tobytes() + b"\0")
    return Naturals(
        info=read_info(folder),
        layers={layer: _estimate(found, leading) for layer, found in effect.items()},
        n_leading=leading,
        tokens=some[0].encoding.ids[:TOKENS_SHOWN],
        training=digest.hexdigest(),
    )


def n_leading(tokenizer: Any, read: Sequence[Activations]) -> int:
    """How many tokens of a text are left out: the first one, and BOS where there is one."""
    return 1 + int(read[0].encoding.ids[0] == tokenizer.bos_token_id)


def _estimate(read: Sequence[Activations], leading: int) -> NaturalLayer:
    rows = [one.rows[:, 0].astype(np.float64) for one in read]
    kept = np.concatenate([some[leading:] for some in rows])
    vectors = {variant: natural_vector(kept, variant) for variant in VARIANTS}
    left_out = np.stack([token_norms(some[:leading]) for some in rows if len(some) > leading])
    return NaturalLayer(
        vectors=vectors,
        n_tokens=len(kept),
        explained=explained_variance(kept, centred=False),
        explained_centred=explained_variance(kept, centred=True),
        norm_leading=tuple(left_out.mean(axis=0).tolist()),
        norm_mean=float(token_norms(kept).mean()),
        shown=rows[0][:TOKENS_SHOWN],
    )
