"""The sections of the world. A new one is a file with a `Section` and one line in `SECTIONS`."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from assay.world.bearings import Directions
from assay.world.choosing import Tasks
from assay.world.code_facts import Codes
from assay.world.examples import Example, Phrasing, Split
from assay.world.facts import Facts
from assay.world.function_facts import Functions
from assay.world.options import Options
from assay.world.wagers import Gambles, Triggers
from assay.world.world import World


class Section(Protocol):
    """A part of the world that can be asked about."""

    @property
    def name(self) -> str:
        """The section's key in SECTIONS, params and tables."""

    def phrasings(self) -> list[Phrasing]:
        """Every way to put it."""

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """About `draws` examples per phrasing of the split, in a fixed order."""


SECTIONS: Mapping[str, Section] = {
    section.name: section
    for section in (Facts(), Directions(), Options(), Functions(), Codes(), Tasks(), Gambles(), Triggers())
}


def train_examples(world: World, section: Section, *, draws: int) -> Iterator[Example]:
    """About `draws` examples per training phrasing."""
    yield from section.examples(
        world, "train", draws, np.random.default_rng([world.seed, 3, _stream(section)])
    )


def heldout_examples(world: World, section: Section, *, draws: int) -> Iterator[Example]:
    """`draws` examples per held-out phrasing."""
    yield from section.examples(
        world, "heldout", draws, np.random.default_rng([world.seed, 4, _stream(section)])
    )


def _stream(section: Section) -> int:
    """A number of the section's name alone, so adding a section leaves the others' draws unchanged."""
    return int.from_bytes(section.name.encode()[:6], "big")
