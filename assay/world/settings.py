"""Settings of the world."""

from collections.abc import Mapping
from dataclasses import dataclass

from assay.world.world import Sizes


@dataclass(frozen=True)
class WorldSettings:
    """`draws` and `heldout_draws`: examples per relation, form and phrasing, by section."""

    seed: int
    sizes: Sizes
    draws: Mapping[str, int]
    heldout_draws: Mapping[str, int]
