"""Settings of the world and the organism, read strictly: an unknown, missing or ill-typed key is an error."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from assay.errors import AssayError
from assay.world.generate import Sizes

T = TypeVar("T")
Precision = Literal["auto", "bfloat16", "float32"]


@dataclass(frozen=True)
class WorldSettings:
    """`draws` and `heldout_draws`: examples per relation, form and phrasing, by section."""

    seed: int
    sizes: Sizes
    draws: Mapping[str, int]
    heldout_draws: Mapping[str, int]


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


def parse_settings(cls: type[T], value: object, where: str) -> T:
    """A settings object from a mapping of params.yaml; `where` is its dotted place, named in errors."""
    parsed: T = _parse(cls, value, where)
    return parsed


def _parse(kind: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise AssayError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin is not None and issubclass(origin, Mapping):
        return {
            str(key): _parse(arguments[1], item, f"{where}.{key}")
            for key, item in _mapping(value, where).items()
        }
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise AssayError(f"{where}: expected {_name(kind)}, found {value!r}")
    return value


def _parse_dataclass(kind: Any, value: object, where: str) -> Any:
    mapping = _mapping(value, where)
    fields = typing.get_type_hints(kind)
    if unknown := sorted(set(mapping) - set(fields)):
        raise AssayError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(fields)}")
    if missing := [name for name in fields if name not in mapping]:
        raise AssayError(f"{where}: missing {', '.join(missing)}; add it to the params file")
    return kind(**{name: _parse(hint, mapping[name], f"{where}.{name}") for name, hint in fields.items()})


def _mapping(value: object, where: str) -> Mapping[Any, object]:
    if not isinstance(value, Mapping):
        raise AssayError(f"{where}: expected a mapping, found {value!r}")
    return value


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type | types.GenericAlias) else str(kind)
