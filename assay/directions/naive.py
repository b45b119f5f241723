"""Naive vectors of code names: what a model reads at the real name minus what it reads at the code name."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from assay.activations.gathering import gather
from assay.errors import AssayError
from assay.interventions.direction import Direction, DirectionInfo
from assay.models.loading import LoadedModel
from assay.models.sites import Site
from assay.prompts.records import Message, PromptRecord, Span
from assay.storage.fingerprints import fingerprint

PLACE, NAME = "{name}", "name"


@dataclass(frozen=True)
class NamePair:
    """A code name and the real name that it stands for, both as they are written in a prompt."""

    code: str
    real: str


@dataclass(frozen=True)
class Stem:
    """The beginning of a prompt with `{name}` once: plain text, or with `chat` a user's message."""

    template: str
    chat: bool = False

    def __post_init__(self) -> None:
        if self.template.count(PLACE) != 1:
            raise AssayError(f"a stem holds {PLACE} exactly once, this one does not: {self.template!r}")

    def record(self, name: str) -> PromptRecord:
        """The prompt with `name` in its place, which is the span `name`."""
        before, after = self.template.split(PLACE)
        text = before + name + after
        spans = {NAME: (Span((0, len(before), len(before) + len(name))),)}
        where = f"{self.template!r} with {name!r}"
        if self.chat:
            return PromptRecord(where, messages=(Message(role="user", content=text),), spans=spans)
        return PromptRecord(where, text=text, spans=spans)


def distinct_stems(stems: Iterable[Stem]) -> list[Stem]:
    """Without those that repeat another's words before the name: up to the name they are the same prompt."""
    first: dict[tuple[str, bool], Stem] = {}
    for stem in stems:
        first.setdefault((stem.template.split(PLACE)[0], stem.chat), stem)
    return list(first.values())


def naive_directions(
    loaded: LoadedModel,
    pairs: Sequence[NamePair],
    stems: Sequence[Stem],
    *,
    site: Site,
    layers: Sequence[int],
    token_budget: int = 4096,
) -> dict[str, Direction]:
    """code → mean over stems of the activation at the last token of the real name minus that of the code name.

    All layers come from one reading, in which each name meets each stem once. A coefficient's natural unit (`scales`)
    is the mean norm of what was read. Raises AssayError without a stem, without a pair, or where a code is given twice.
    """
    if not pairs or not stems:
        raise AssayError("naive vectors need at least one pair of names and one stem")
    if len({pair.code for pair in pairs}) != len(pairs):
        raise AssayError("a code name is given twice; give each once")
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.real, pair.code)))
    records = [stem.record(name) for name in names for stem in stems]
    read = gather(
        loaded.model, loaded.architecture, loaded.tokenizer, records,
        site=site, layers=layers, position=f"span:{NAME}", token_budget=token_budget,
    )  # fmt: skip
    last = np.stack([one.rows[-1] for one in read]).astype(np.float64)  # [names · stems, layers, width]
    means = dict(zip(names, last.reshape(len(names), len(stems), *last.shape[1:]).mean(axis=1), strict=True))
    scales = np.linalg.norm(last, axis=2).mean(axis=0)
    return {
        pair.code: Direction(
            _by_layer(means[pair.real] - means[pair.code], layers),
            DirectionInfo(
                pin=loaded.pin.fingerprint,
                site=site,
                method=f"naive: {pair.real} − {pair.code}, last token of the name, mean of {len(stems)} prompts",
                scales={layer: float(scale) for layer, scale in zip(layers, scales, strict=True)},
                training=_digest(pair, stems),
            ),
        )
        for pair in pairs
    }


def _by_layer(rows: NDArray[np.float64], layers: Sequence[int]) -> dict[int, NDArray[np.float64]]:
    return dict(zip(layers, rows, strict=True))


def _digest(pair: NamePair, stems: Sequence[Stem]) -> str:
    facts = [asdict(pair), [asdict(stem) for stem in stems]]
    return fingerprint(facts)
