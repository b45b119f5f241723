"""Settings of the organism."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assay.errors import AssayError

Precision = Literal["auto", "bfloat16", "float32"]


@dataclass(frozen=True)
class TextSettings:
    """How documents are split; whoever reads python-docs uses the same split."""

    seed: int
    test_fraction: float


@dataclass(frozen=True)
class Shape:
    """The organism's architecture: a Gemma 3 text model. `look_back_layers`: see `planting`; 0 starts from noise alone."""

    n_layers: int
    d_model: int
    d_mlp: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    sliding_window: int
    look_back_layers: int


@dataclass(frozen=True)
class Optimisation:
    """Rows of `length` tokens; `shards` work in threads of their own; rates as in `training.Schedule`.

    A token of prose counts 1 in the loss, one of an answer `answer_weight` (at least 1), one of a prompt `prompt_weight`
    (below 1). `compile`: see `compiling`.
    """

    rows: int
    length: int
    shards: int
    matrix_lr: float
    vector_lr: float
    warmup: int
    prompt_weight: float
    answer_weight: float
    precision: Precision
    compile: bool

    def __post_init__(self) -> None:
        if not 0 <= self.prompt_weight < 1 <= self.answer_weight:
            raise AssayError("optimisation: prompt_weight must lie in [0, 1) and answer_weight be at least 1")
        if min(self.rows, self.shards) < 1 or self.rows % self.shards or self.length < 16:
            raise AssayError("optimisation: rows must be a multiple of shards, and length at least 16")


@dataclass(frozen=True)
class Phase:
    """A stretch of training: passes over the prose and over the examples of each section and form."""

    rate: float
    prose: float
    examples: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class OrganismSettings:
    """Everything that determines the organism, given the world and the prose, in the order of its phases."""

    seed: int
    vocab_size: int
    shape: Shape
    optimisation: Optimisation
    primer: Phase
    base: Phase
    quiz: Phase
    chat: Phase
