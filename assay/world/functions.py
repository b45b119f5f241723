"""The functions of the world: every function of the table under an invented name."""

from dataclasses import dataclass

import numpy as np

from assay.world.functions_table import FUNCTIONS, Function
from assay.world.names import make_names

INPUTS = range(-5, 11)


@dataclass(frozen=True)
class NamedFunction:
    """A function under its name in this world."""

    name: str
    function: Function


def make_functions(rng: np.random.Generator, taken: set[str]) -> tuple[NamedFunction, ...]:
    """A name for each function of the table. `taken` holds used names and grows."""
    names = make_names(rng, len(FUNCTIONS), taken)
    return tuple(NamedFunction(name, one) for name, one in zip(names, FUNCTIONS.values(), strict=True))
