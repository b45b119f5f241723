"""Files that no reader expects: each kind of damage that a user's file may have, for any format."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import safetensors.numpy
from pyarrow import parquet

DEEP = 100_000
DIGITS = 5_000


def parquet_bytes() -> bytes:
    """A good file of choices."""
    sink = io.BytesIO()
    parquet.write_table(
        pa.table(
            {
                "task_a": [f"t{i % 12}" for i in range(50)],
                "task_b": [f"t{(i + 1) % 12}" for i in range(50)],
                "choice": ["a", "b"] * 25,
            }
        ),
        sink,
    )
    return sink.getvalue()


def _flipped_parquet() -> bytes:
    content = bytearray(parquet_bytes())
    content[len(content) // 2] ^= 0xFF
    content[10] ^= 0xFF
    return bytes(content)


def _hdf5() -> bytes:
    sink = io.BytesIO()
    with h5py.File(sink, "w") as file:
        file["rows"] = np.zeros((20, 4))
    return sink.getvalue()


def _tensors() -> bytes:
    return safetensors.numpy.save({"a": np.zeros(3)}, {"assay_direction": '["no mapping"]'})


def _row(value: str) -> bytes:
    """One row with every name that a reader of tasks, records, pairs or choices looks for, all of one JSON value."""
    names = (
        "id", "task_id", "prompt", "text", "topic", "messages", "task_a", "task_b", "choice", "condition_id",
        "system_prompt", "label", "results", "topics", "spans", "positions", "alias", "mu",
    )  # fmt: skip
    return ("{" + ", ".join(f'"{name}": {value}' for name in names) + "}\n").encode()


CONTENTS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "latin-1": lambda: "task_id,text\ncafé,Grüße\n".encode("latin-1"),
    "surrogate row": lambda: _row('"\\ud800"'),
    "surrogate text": lambda: json.dumps("\ud800").encode(),
    "deep lists": lambda: b"[" * DEEP + b"]" * DEEP,
    "deep objects": lambda: b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep row": lambda: _row("[" * DEEP + "]" * DEEP),
    "long number": lambda: b"9" * DIGITS,
    "long numbers": lambda: _row("9" * DIGITS),
    "long number yaml": lambda: b"models: " + b"9" * DIGITS,
    "odd tags": lambda: b"models: !!bool maybe\nworld: !!float x\n? [a]\n: 1\n",
    "infinite row": lambda: _row("1e999"),
    "null row": lambda: _row("null"),
    "nested row": lambda: _row('{"a": [1, {"b": null}]}'),
    "list of numbers": lambda: b"[1, 2, 3]",
    "a number": lambda: b"7",
    "true": lambda: b"true",
    "parquet cut": lambda: parquet_bytes()[:-20],
    "parquet flipped": _flipped_parquet,
    "hdf5 cut": lambda: _hdf5()[:1000],
    "hdf5 of others": _hdf5,
    "safetensors cut": lambda: _tensors()[:-5],
    "safetensors of others": _tensors,
    "png cut": lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
    "shifted": lambda: b"id,task_id,text,topic,mu\n1,2,3,4,5,6\n1,2\n",
    "header only": lambda: b"id,task_id,text,topic,mu\n",
    "nul": lambda: b"\0" * 5000,
    "nul row": lambda: b"id,task_id,text\n\0,\0,\0\n",
    "one line": lambda: b"x" * 1_000_000,
    "one quote": lambda: b'"' + b"x" * 1_000_000,
}
KINDS = (*CONTENTS, "folder", "loop", "missing", "name")


def hostile_file(folder: Path, kind: str, suffix: str) -> Path:
    """A file of this kind with this suffix in `folder`, made once."""
    path = folder / f"{kind.replace(' ', '_')}{suffix}"
    if kind == "name":  # of bytes that are no UTF-8
        path = folder / os.fsdecode(b"n\xff" + suffix.encode())
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir(exist_ok=True)
    elif kind == "loop" and not path.is_symlink():
        path.symlink_to(path)
    elif kind in CONTENTS and not path.exists():
        path.write_bytes(CONTENTS[kind]())
    return path
