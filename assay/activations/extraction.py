"""Extraction: prompt records in, an activation store out; killed at any moment, it goes on where it was."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import transformers

from assay.activations import batch_reader, capture, pooling, shards
from assay.activations.batch_reader import BatchReader
from assay.activations.request import Request
from assay.activations.shards import (
    RowIndex,
    Shard,
    assemble,
    block_rows,
    check_shards,
    is_complete,
    plan_shards,
    write_shard,
)
from assay.activations.spool import Spool
from assay.activations.store import ON_DISK, SCHEMA_VERSION, StoreHeader, create_store
from assay.errors import AssayError
from assay.forward import batching
from assay.forward.batching import Halver, plan_batches
from assay.models import architecture
from assay.models.devices import input_device
from assay.models.loading import LoadedModel
from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import Encoding, encode
from assay.storage.files import write_text
from assay.storage.fingerprints import fingerprint
from assay.storage.scratch import scratch_folder

# Scratch of an earlier version of these is never mixed with new shards.
_DETERMINES_SHARDS = (architecture, batching, capture, pooling, batch_reader, shards)


@dataclass(frozen=True)
class Counts:
    """What an extraction read. No record is ever dropped: one that cannot be read is an error that names it.

    `defused` counts strings of control tokens that were read as plain text, `defused_records` the records that hold them;
    `bos_added` the records whose prompt got a BOS that the tokenizer by itself would not have put there.
    """

    records: int
    rows: int
    tokens: int
    defused: int = 0
    defused_records: int = 0
    bos_added: int = 0


class Progress(Protocol):
    """Told how far an extraction is."""

    def start(self, records: int, tokens: int) -> None:
        """All records are encoded: so many are to be read."""

    def resume(self, records: int, tokens: int) -> None:
        """So many were read by an earlier, interrupted run."""

    def advance(self, records: int, tokens: int) -> None:
        """So many more have been read."""


def extract(
    loaded: LoadedModel,
    records: Iterable[PromptRecord],
    request: Request,
    out: Path,
    *,
    scratch: Path,
    progress: Progress | None = None,
) -> Counts:
    """Read the activations that `request` describes and write them to the store `out`, whole or not at all.

    Finished shards wait in a folder of `scratch` keyed by everything that determines them; the folder goes when the
    store is complete. The result is the same, byte for byte, whether or not the work was interrupted. Memory does not
    grow with the number of records. Raises AssayError for a record that cannot be read, a second writer, a full disk
    and NaN or infinite activations.
    """
    with Spool(Path(scratch)) as spool:
        notes = _encode_all(loaded, records, request, spool)
        fingerprint = fingerprint_extraction(loaded, spool.digest, request)
        with scratch_folder(scratch, _scratch_key(fingerprint)) as folder:
            work = _Work(loaded, spool, request, folder)
            _fill_shards(work, progress)
            check_shards(work.shards)
            _assemble(work, fingerprint, out)
        return Counts(
            records=len(spool), rows=int(work.counts.sum()), tokens=sum(spool.lengths), **asdict(notes)
        )


def fingerprint_extraction(loaded: LoadedModel, records_digest: str, request: Request) -> str:
    """SHA-256 over everything that determines the content of a store."""
    facts = {
        "schema": SCHEMA_VERSION,
        "pin": loaded.pin.fingerprint,
        "records": records_digest,
        "request": asdict(request),
        "computed_in": str(loaded.model.dtype),
        "computed_on": input_device(loaded.architecture).type,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return fingerprint(facts)


class _Work:
    """One extraction under way: what to read, and the plan that says in which order."""

    def __init__(self, loaded: LoadedModel, spool: Spool, request: Request, folder: Path):
        self.loaded = loaded
        self.spool = spool
        self.request = request
        self.folder = folder
        self.counts = np.array(spool.counts) if request.pooling == "none" else np.ones(len(spool), np.int64)
        self.on_disk = ON_DISK[request.dtype]
        self.row_shape = (len(request.layers), loaded.architecture.width(request.site))
        self.row_bytes = int(np.prod(self.row_shape)) * self.on_disk.itemsize
        batches = plan_batches(spool.lengths, request.token_budget)
        self.shards = plan_shards(folder, batches, self.counts, self.row_bytes)

    def size(self, indices: Iterable[int]) -> tuple[int, int]:
        """(records, tokens) of some records."""
        lengths = [self.spool.lengths[index] for index in indices]
        return len(lengths), sum(lengths)


@dataclass
class _Notes:
    """Of `Counts`, what encoding finds out."""

    defused: int = 0
    defused_records: int = 0
    bos_added: int = 0

    def take(self, encoding: Encoding, puts_bos: bool) -> None:
        self.defused += encoding.defused
        self.defused_records += encoding.defused > 0
        self.bos_added += encoding.bos_added and not puts_bos


def _encode_all(
    loaded: LoadedModel, records: Iterable[PromptRecord], request: Request, spool: Spool
) -> _Notes:
    """Encode every record once, and refuse one that the model cannot read whole."""
    limit = loaded.architecture.sizes.context_length
    n_embedded = loaded.architecture.sizes.vocab_size
    puts_bos = loaded.tokenizer.bos_token_id in loaded.tokenizer("a")["input_ids"]
    notes = _Notes()
    for record in records:
        encoding = encode(loaded.tokenizer, record, [request.position])
        if len(encoding.ids) > limit:
            raise AssayError(
                f"record {record.id!r} has {len(encoding.ids)} tokens, {loaded.pin.alias} reads at most {limit}; "
                "cut it shorter"
            )
        if (largest := max(encoding.ids, default=0)) >= n_embedded:
            raise AssayError(
                f"record {record.id!r} has the token id {largest}, {loaded.pin.alias} embeds only ids below {n_embedded}; "
                "its tokenizer or the response_ids are another model's"
            )
        notes.take(encoding, puts_bos)
        positions = encoding.positions[request.position]
        spool.add(record.id, encoding.ids, positions[-1:] if request.pooling == "last" else positions)
    if not len(spool):
        raise AssayError("there is no record to read; give at least one")
    return notes


def _fill_shards(work: _Work, progress: Progress | None) -> None:
    """Compute the shards that no earlier run finished."""
    if progress is not None:
        progress.start(*work.size(range(len(work.spool))))
    halver = Halver(work.spool.lengths, work.spool.names)
    with BatchReader(
        work.loaded.model,
        work.loaded.architecture,
        work.request.site,
        work.request.layers,
        pooling=work.request.pooling,
        dtype=work.request.dtype,
    ) as reader:
        for shard in work.shards:
            if not is_complete(shard, work.row_bytes):
                write_shard(shard, _read_shard(work, reader, halver, shard, progress))
            elif progress is not None:
                progress.resume(*work.size(shard.records))


def _read_shard(
    work: _Work, reader: BatchReader, halver: Halver, shard: Shard, progress: Progress | None
) -> Iterator[np.ndarray]:
    spool = work.spool

    def forward(part: Sequence[int]) -> np.ndarray:
        ids, positions = zip(*(spool.get(index) for index in part), strict=True)
        return reader.read([spool.names[index] for index in part], ids, positions)

    for batch in shard.batches:
        for part, rows in halver.run(batch, forward):
            yield rows
            if progress is not None:
                progress.advance(*work.size(part))


def _assemble(work: _Work, fingerprint: str, out: Path) -> None:
    """Write the store from complete shards, in record order."""
    request, pin = work.request, work.loaded.pin
    header = StoreHeader(
        pin_alias=pin.alias,
        pin_fingerprint=pin.fingerprint,
        site=request.site,
        position=request.position,
        pooling=request.pooling,
        dtype=request.dtype,
        fingerprint=fingerprint,
    )
    offsets = np.concatenate([[0], np.cumsum(work.counts)])
    note = (
        work.folder / "assembling"
    )  # names the unfinished store, so that a killed assembly leaves nothing behind
    if note.exists():
        Path(note.read_text()).unlink(missing_ok=True)
    with create_store(
        out,
        header,
        layers=request.layers,
        d=work.row_shape[1],
        ids=work.spool.names,
        offsets=offsets if request.pooling == "none" else None,
    ) as store:
        write_text(note, str(store.temporary.absolute()))
        rows = block_rows(store.chunk_rows, work.row_bytes)
        for block in assemble(
            RowIndex(work.shards, work.counts), offsets, (rows, *work.row_shape), work.on_disk
        ):
            store.write(block)


def _scratch_key(fingerprint: str) -> str:
    """The fingerprint and the code that fills shards, so that shards of other code are never reused."""
    digest = hashlib.sha256(fingerprint.encode())
    for module in _DETERMINES_SHARDS:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()
