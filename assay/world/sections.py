"""The sections of the world. A new one is a file with a `Section` and one line in `SECTIONS`."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from assay.errors import AssayError
from assay.world.directions import Directions
from assay.world.examples import Example, Phrasing
from assay.world.facts import Facts
from assay.world.generate import World
from assay.world.options import Options
from assay.world.phrasing import Fact, Relation, render


class Section(Protocol):
    """A part of the world that can be asked about."""

    @property
    def name(self) -> str:
        """The section's key in SECTIONS, params and tables."""

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Its kinds of fact, with their phrasings."""

    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section, in a fixed order."""


SECTIONS: Mapping[str, Section] = {section.name: section for section in (Facts(), Directions(), Options())}


def section_phrasings(section: Section) -> list[Phrasing]:
    """Every phrasing of every relation of the section."""
    return [phrasing for relation in section.relations for phrasing in relation.phrasings()]


def train_examples(world: World, section: Section, *, draws: int) -> Iterator[Example]:
    """About `draws` examples per relation, form and training phrasing: facts are drawn evenly, without favourites."""
    yield from _examples(
        world, section, "train", draws, np.random.default_rng([world.seed, 3, _stream(section)])
    )


def heldout_examples(world: World, section: Section, *, draws: int) -> Iterator[Example]:
    """`draws` examples per relation, form and held-out phrasing."""
    yield from _examples(
        world, section, "heldout", draws, np.random.default_rng([world.seed, 4, _stream(section)])
    )


def _examples(
    world: World, section: Section, split: str, draws: int, rng: np.random.Generator
) -> Iterator[Example]:
    facts: dict[str, list[Fact]] = {relation.name: [] for relation in section.relations}
    for relation, fact in section.facts(world):
        facts[relation].append(fact)
    for phrasing in section_phrasings(section):
        if phrasing.split != split:
            continue
        pool = facts[phrasing.relation]
        if not pool:
            raise AssayError(f"section {section.name!r} has no fact for relation {phrasing.relation!r}")
        rounds = -(-draws // len(pool))
        order = np.concatenate([rng.permutation(len(pool)) for _ in range(rounds)])[:draws]
        for number, index in enumerate(order):
            yield render(rng, phrasing, pool[index], number)


def _stream(section: Section) -> int:
    """A number of the section's name alone, so adding a section leaves the others' draws unchanged."""
    return int.from_bytes(section.name.encode()[:6], "big")
