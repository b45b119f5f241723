"""Where in a stream of text a direction is strongest: exact top and bottom k in constant memory.

A text is read in stretches, each on its own behind one BOS, as the model reads it. BOS is never counted, nor are the first
`skip` tokens of a stretch: their activations are outliers of hundreds of times the usual norm in many models.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from assay.activations.batch_reader import BatchReader
from assay.activations.gathering import read_tokens
from assay.arrays import Floats
from assay.errors import AssayError
from assay.interventions.direction import Direction
from assay.models.loading import LoadedModel
from assay.models.sites import Site

_BUFFER = 64  # stretches that are read together


@dataclass(frozen=True)
class Stretch:
    """Consecutive text of one document as the model reads it.

    Attributes:
        document: its id.
        number: of the stretch in its document, from 0.
        text: its characters.
        ids: [n_tokens] int64, leading special tokens such as BOS included.
        starts, ends: [text tokens] int64, the characters [start, end) of each token of the text.
    """

    document: str
    number: int
    text: str
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def n_special(self) -> int:
        """How many special tokens come before the text."""
        return len(self.ids) - len(self.starts)

    def pieces(self, first: int, last: int) -> list[str]:
        """The characters that each text token of [first, last) adds to those before it; together they are the text."""
        begins = np.maximum.accumulate(np.concatenate([[0], self.ends]))
        return [self.text[begins[i] : max(begins[i], int(self.ends[i]))] for i in range(first, last)]


@dataclass(frozen=True)
class Context:
    """A token whose projection is among the most extreme, and the tokens around it.

    Attributes:
        document, stretch, token: where it is; `token` counts the text tokens of its stretch.
        projection: its activation's length along the direction.
        norm: its activation's whole length.
        pieces: the text of the tokens shown.
        projections: their projections [shown].
        centre: which of them it is.
    """

    document: str
    stretch: int
    token: int
    projection: float
    norm: float
    pieces: tuple[str, ...]
    projections: Floats
    centre: int


@dataclass(frozen=True)
class Scan:
    """What a scan found: contexts from the most extreme on, a random sample of tokens, and counts of tokens.

    `sample` [n, 2] holds (projection, norm) of tokens drawn uniformly from all that were counted.
    """

    top: list[Context]
    bottom: list[Context]
    sample: Floats
    n_tokens: int
    n_left_out: int


class Scanner:
    """Takes stretches with their projections in order and keeps what a `Scan` holds, however many come."""

    def __init__(self, *, k: int, around: int, skip: int, sample: int, seed: int):
        if k < 1 or around < 0 or skip < 0 or sample < 1:
            raise AssayError(
                f"a scan needs k ≥ 1, around ≥ 0, skip ≥ 0 and sample ≥ 1, found {k}, {around}, {skip}, {sample}"
            )
        self.around, self.skip = around, skip
        self._top, self._bottom = _Largest(k), _Largest(k)
        self._sample = Reservoir(sample, seed)
        self.n_tokens = self.n_left_out = 0

    def add(self, stretch: Stretch, projections: Floats, norms: Floats) -> None:
        """Count the text tokens of a stretch, with the projection and norm of each [text tokens]."""
        skip = min(self.skip, len(projections))
        counted = projections[skip:]
        first = self.n_tokens

        def context(at: int) -> Context:
            return self._context(stretch, projections, norms, skip + at)

        self._top.offer(counted, first, context)
        self._bottom.offer(-counted, first, context)
        self._sample.offer(np.stack([counted, norms[skip:]], axis=1))
        self.n_tokens += len(counted)
        self.n_left_out += skip + stretch.n_special

    def result(self) -> Scan:
        """What was found so far. Raises AssayError when no token was counted."""
        if not self.n_tokens:
            raise AssayError("the text has no token to look at; give more text, or skip fewer tokens")
        return Scan(
            self._top.found(), self._bottom.found(), self._sample.rows(), self.n_tokens, self.n_left_out
        )

    def _context(self, stretch: Stretch, projections: Floats, norms: Floats, token: int) -> Context:
        first, last = max(0, token - self.around), min(len(projections), token + self.around + 1)
        return Context(
            document=stretch.document,
            stretch=stretch.number,
            token=token,
            projection=float(projections[token]),
            norm=float(norms[token]),
            pieces=tuple(stretch.pieces(first, last)),
            projections=projections[first:last].copy(),
            centre=token - first,
        )


class Reservoir:
    """A uniform sample of the rows that were offered, without replacement (algorithm R, doi:10.1145/3147.3165)."""

    def __init__(self, size: int, seed: int):
        self.size = size
        self._draws = np.random.default_rng(seed)
        self._kept: Floats | None = None
        self.seen = 0

    def offer(self, rows: Floats) -> None:
        """Rows [n, width], in order; the sample does not depend on how they are cut into calls."""
        if self._kept is None:
            self._kept = np.empty((self.size, rows.shape[1]))
        fill = min(max(self.size - self.seen, 0), len(rows))
        self._kept[self.seen : self.seen + fill] = rows[:fill]
        late = rows[fill:]
        if len(late):
            places = self._draws.integers(0, np.arange(self.seen + fill + 1, self.seen + len(rows) + 1))
            for place, row in zip(places[places < self.size], late[places < self.size], strict=True):
                self._kept[place] = row
        self.seen += len(rows)

    def rows(self) -> Floats:
        """The sample [min(size, offered), width]."""
        if self._kept is None:
            return np.empty((0, 0))
        return self._kept[: min(self.seen, self.size)].copy()


class _Largest:
    """The k largest values offered, each with what it is about; of equal values the earlier one stays."""

    def __init__(self, k: int):
        self.k = k
        self._heap: list[tuple[float, int, Context]] = []  # (value, −order, context); the smallest is first

    def offer(self, values: Floats, first: int, context: Callable[[int], Context]) -> None:
        """Values [n], the number of the first of them in the stream, and what gives the context of one of them."""
        floor = self._heap[0][0] if len(self._heap) == self.k else -np.inf
        for at in np.flatnonzero(values > floor).tolist():
            value = float(values[at])
            if len(self._heap) < self.k:
                heapq.heappush(self._heap, (value, -(first + at), context(at)))
            elif value > self._heap[0][0]:
                heapq.heapreplace(self._heap, (value, -(first + at), context(at)))

    def found(self) -> list[Context]:
        """From the largest on."""
        return [context for _, _, context in sorted(self._heap, key=lambda one: (-one[0], -one[1]))]


def scan_text(
    loaded: LoadedModel,
    direction: Direction,
    stretches: Iterable[Stretch],
    scanner: Scanner,
    *,
    layer: int,
    site: Site | None = None,
    token_budget: int = 4096,
    progress: Callable[[int], None] | None = None,
) -> Scan:
    """Run the stretches through the model and give every token's projection on the direction's `layer` to `scanner`.

    The activations are those of `site` (the direction's own where it is None) at `layer`. Only a few stretches are held at
    a time. `progress` is told how many more were read. Raises AssayError for a direction of another width or layer.
    """
    place = site or direction.info.site
    with BatchReader(
        loaded.model, loaded.architecture, place, [layer], pooling="none", dtype="float32"
    ) as reader:
        for some in _buffers(stretches):
            names = [f"{stretch.document}#{stretch.number}" for stretch in some]
            ids = [stretch.ids for stretch in some]
            tokens = [np.arange(stretch.n_special, len(stretch.ids)) for stretch in some]
            for stretch, rows in zip(
                some, read_tokens(reader, names, ids, tokens, token_budget), strict=True
            ):
                norms = np.linalg.norm(rows[:, 0].astype(np.float64), axis=1)
                scanner.add(stretch, direction.project(rows[:, 0], layer), norms)
            if progress is not None:
                progress(len(some))
    return scanner.result()


def _buffers(stretches: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    source = iter(stretches)
    while some := list(islice(source, _BUFFER)):
        yield some
