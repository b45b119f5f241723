"""The activation store: one HDF5 file of rows per layer that says where its rows come from.

Layout: `layers/<layer>` [rows, d] chunked and checksummed, `ids` [records] UTF-8, `offsets` [records + 1] int64 where a
record has several rows (pooling none), and the attributes of `StoreHeader`. HDF5 has no bfloat16, so its bits are kept
as uint16 and the attribute `dtype` says so.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import h5py
import numpy as np

from assay.errors import AssayError
from assay.models.same_model import require_same_model
from assay.storage.files import atomic_path
from assay.storage.hdf5 import HDF5Writer, create_hdf5, reading_errors

SCHEMA_VERSION = 1
CHUNK_BYTES = 256 * 1024  # small enough to fetch a few rows, large enough to stream
StoreDtype = Literal["float32", "bfloat16", "float16"]
STORE_DTYPES: tuple[StoreDtype, ...] = get_args(StoreDtype)
ON_DISK: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "bfloat16": np.dtype("<u2"),
    "float16": np.dtype("<f2"),
}


class HasFingerprint(Protocol):
    """What a store needs of a model pin."""

    @property
    def alias(self) -> str:
        """Its name for people."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of everything about the model that determines results."""
        ...


@dataclass(frozen=True)
class StoreHeader:
    """Where the rows of a store come from. `fingerprint` hashes everything that determines them."""

    pin_alias: str
    pin_fingerprint: str
    site: str
    position: str
    pooling: str
    dtype: StoreDtype
    fingerprint: str


class StoreWriter:
    """Takes the rows of a new store in order; made by `create_store`. Until then they are in the file `temporary`."""

    def __init__(self, temporary: Path, writer: HDF5Writer, datasets: Sequence[h5py.Dataset]):
        self.temporary = temporary
        self._writer = writer
        self._datasets = datasets
        self.n_rows, self.d = datasets[0].shape
        self.chunk_rows: int = datasets[0].chunks[0]
        self.written = 0

    def write(self, rows: np.ndarray) -> None:
        """Append `rows` [n, layers, d] in the dtype on disk. Raises OSError when the disk is full."""
        expected = (len(self._datasets), self.d)
        if rows.shape[1:] != expected or rows.dtype != self._datasets[0].dtype:
            raise ValueError(
                f"rows {rows.dtype} {rows.shape[1:]} for a store of {self._datasets[0].dtype} {expected}"
            )
        end = self.written + len(rows)
        for index, dataset in enumerate(self._datasets):
            dataset[self.written : end] = rows[:, index]
            self._writer.check()
        self.written = end


@contextmanager
def create_store(
    path: Path,
    header: StoreHeader,
    *,
    layers: Sequence[int],
    d: int,
    ids: Sequence[str],
    offsets: np.ndarray | None = None,
) -> Iterator[StoreWriter]:
    """Write a whole store or none: yields a StoreWriter, and `path` appears when the block ends without an exception.

    Without `offsets` [records + 1] each id has one row. Writing the same content gives the same bytes: no times are
    tracked, rows come in order and nothing is flushed in between. Raises AssayError on a full disk.
    """
    n_rows = len(ids) if offsets is None else int(offsets[-1])
    if not ids or not n_rows or not layers:
        raise AssayError(f"{path} would hold no row; give at least one record and one layer")
    with atomic_path(Path(path)) as temporary, create_hdf5(temporary) as writer:
        file = writer.file
        file.attrs["schema_version"] = SCHEMA_VERSION
        for name, value in asdict(header).items():
            file.attrs[name] = value
        encoded = np.array([name.encode() for name in ids])
        text = h5py.string_dtype("utf-8", encoded.dtype.itemsize)
        file.create_dataset("ids", data=encoded.astype(text), chunks=True, track_times=False)
        if offsets is not None:
            file.create_dataset("offsets", data=np.asarray(offsets, "<i8"), chunks=True, track_times=False)
        dtype = ON_DISK[header.dtype]
        chunk_rows = min(n_rows, max(1, CHUNK_BYTES // (d * dtype.itemsize)))
        shape = (n_rows, d)
        datasets = [_layer_dataset(file, layer, shape, dtype, chunk_rows) for layer in layers]
        store = StoreWriter(temporary, writer, datasets)
        yield store
        if store.written != n_rows:
            raise RuntimeError(f"{store.written} of {n_rows} rows were written to {path}")


def _layer_dataset(
    file: h5py.File, layer: int, shape: tuple[int, int], dtype: np.dtype[Any], chunk_rows: int
) -> h5py.Dataset:
    return file.create_dataset(
        f"layers/{layer}", shape, dtype, chunks=(chunk_rows, shape[1]), fletcher32=True, track_times=False
    )


class ActivationStore:
    """A store open for reading; made by `open_store`. Rows are read when asked for, as float32."""

    def __init__(self, path: Path, file: h5py.File):
        self.path = path
        self._file = file
        attrs = dict(file.attrs)
        found = attrs.get("schema_version")
        if found != SCHEMA_VERSION:
            raise AssayError(
                f"{path} has store schema {found}, this code reads {SCHEMA_VERSION}; run its stage again"
            )
        self.header = StoreHeader(**{field.name: attrs[field.name] for field in fields(StoreHeader)})
        self.layers = sorted(int(name) for name in file["layers"])
        self.ids: list[str] = [name.decode() for name in file["ids"][:]]
        self.offsets: np.ndarray | None = file["offsets"][:] if "offsets" in file else None
        self.n_rows, self.d = (int(size) for size in file[f"layers/{self.layers[0]}"].shape)

    def read(self, layer: int, rows: slice | np.ndarray | None = None) -> np.ndarray:
        """Rows of a layer as float32 [n, d]: all, a slice, or an index array in any order (a boolean mask works too).

        Raises AssayError for a layer that the store does not hold or a chunk whose checksum is wrong.
        """
        dataset = self._dataset(layer)
        with reading_errors(self.path):
            if rows is None or isinstance(rows, slice):
                start, stop, step = (rows or slice(None)).indices(self.n_rows)
                if step == 1:
                    return decode(dataset[start:stop], self.header.dtype)
                rows = np.arange(start, stop, step)
            return decode(_gather(dataset, _as_indices(rows, self.n_rows)), self.header.dtype)

    def iter_chunks(self, layer: int, size: int) -> Iterator[np.ndarray]:
        """All rows of a layer in order, `size` at a time: float32 [≤ size, d]."""
        for start in range(0, self.n_rows, size):
            yield self.read(layer, slice(start, start + size))

    def rows_of(self, record: int) -> slice:
        """The rows of record number `record`."""
        if self.offsets is None:
            return slice(record, record + 1)
        return slice(int(self.offsets[record]), int(self.offsets[record + 1]))

    def rows_of_ids(self, ids: Sequence[str]) -> np.ndarray:
        """Row numbers [len(ids)] of records that have one row each. Raises AssayError that names a missing id."""
        if self.offsets is not None:
            raise AssayError(f"{self.path} has several rows per record; extract it with a pooling")
        row = {name: number for number, name in enumerate(self.ids)}
        missing = [name for name in ids if name not in row]
        if missing:
            raise AssayError(
                f"{self.path} lacks {len(missing)} of {len(ids)} ids (first: {missing[0]!r}); extract it for all of them"
            )
        return np.array([row[name] for name in ids], dtype=np.int64)

    def _dataset(self, layer: int) -> h5py.Dataset:
        if layer not in self.layers:
            raise AssayError(
                f"{self.path} holds no layer {layer}; it holds {', '.join(map(str, self.layers))}"
            )
        return self._file[f"layers/{layer}"]


@contextmanager
def open_store(
    path: Path,
    *,
    pin: HasFingerprint | None = None,
    site: str | None = None,
    position: str | None = None,
    pooling: str | None = None,
) -> Iterator[ActivationStore]:
    """Open a store for reading (never for writing) and check what is given against its attributes.

    Raises AssayError for a missing, truncated or foreign file, and for one made from another pin, site, position or
    pooling: the message names both.
    """
    path = Path(path)
    with reading_errors(path):
        file = h5py.File(path, "r")
    with file:
        with reading_errors(path):
            store = ActivationStore(path, file)
        if pin is not None:
            made = store.header
            require_same_model(
                path,
                made.pin_fingerprint,
                pin.fingerprint,
                found_alias=made.pin_alias,
                wanted_alias=pin.alias,
            )
        for name, wanted in (("site", site), ("position", position), ("pooling", pooling)):
            found = getattr(store.header, name)
            if wanted is not None and wanted != found:
                raise AssayError(
                    f"{path} holds {name} {found!r}, {wanted!r} was asked for; extract it again for {wanted!r}"
                )
        yield store


def decode(rows: np.ndarray, dtype: StoreDtype) -> np.ndarray:
    """From the dtype on disk to float32; exact for all three."""
    if dtype == "bfloat16":
        return (rows.astype(np.uint32) << 16).view(np.float32)
    return rows.astype(np.float32, copy=False)


def _as_indices(rows: np.ndarray, n_rows: int) -> np.ndarray:
    indices = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
    if len(indices) and not (indices.min() >= 0 and indices.max() < n_rows):
        raise IndexError(f"rows {indices.min()} to {indices.max()} of a store of {n_rows}")
    return indices


def _gather(dataset: h5py.Dataset, indices: np.ndarray) -> np.ndarray:
    """Rows in any order, reading each chunk at most once (h5py's own fancy indexing is slow and wants sorted indices)."""
    rows = np.empty((len(indices), dataset.shape[1]), dataset.dtype)
    chunk_rows = dataset.chunks[0]
    order = np.argsort(indices, kind="stable")
    starts = np.arange(0, dataset.shape[0] + chunk_rows, chunk_rows)
    bounds = np.searchsorted(indices[order], starts)
    for chunk in np.flatnonzero(np.diff(bounds)):
        wanted = order[bounds[chunk] : bounds[chunk + 1]]
        rows[wanted] = dataset[starts[chunk] : starts[chunk + 1]][indices[wanted] - starts[chunk]]
    return rows
