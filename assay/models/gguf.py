"""GGUF files, read once: the dequantised model is kept as an ordinary Hugging Face folder.

transformers reads the vocabulary of a GGUF file in Python, several times a load, 20 s for 49,152 tokens; a folder takes
half a second. Dequantising is exact: the folder's float32 weights are the numbers that the file's blocks stand for.
"""

import io
import os
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from assay.errors import AssayError
from assay.storage.files import hash_file, hash_folder, write_json
from assay.storage.folders import atomic_folder
from assay.storage.json_text import read_document

_MADE = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
_RECORD = "digest.json"  # beside the folder, which it describes


def unpacked(path: Path, content_hash: str) -> Path:
    """The folder of float32 weights, config and tokenizer that the GGUF file `path` of that SHA-256 was turned into.

    It is made at the first call (four bytes a parameter on disk) under $ASSAY_CACHE, else ~/.cache/assay, named by the
    file's hash and the version of transformers, and checked at every other. Raises ValueError, TypeError or OSError, as
    transformers does, for a file that it cannot read.
    """
    home = cache_root() / "gguf" / f"{content_hash[:24]}-transformers-{transformers.__version__}"
    folder, record = home / "model", home / _RECORD
    if record.is_file() and folder.is_dir() and read_document(record) == {"digest": hash_folder(folder)}:
        return folder
    with atomic_folder(folder, _MADE) as new, _bars():
        _convert(path, new)
        digest = hash_folder(new)
    write_json(record, {"digest": digest})
    return folder


def cache_root() -> Path:
    """Where what can be made again is kept between runs and projects: $ASSAY_CACHE, else assay in the user's cache folder."""
    if named := os.environ.get("ASSAY_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "assay"


def gguf_hash(path: Path) -> str:
    """SHA-256 of a GGUF file. Raises AssayError where it is none."""
    try:
        with open(path, "rb") as handle:
            magic = handle.read(4)
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    if magic != b"GGUF":
        raise AssayError(f"{path} is not a GGUF file (it does not begin with GGUF); get it anew")
    return hash_file(path)


def _bars() -> AbstractContextManager[object]:
    """transformers' progress bars on a terminal only: in a log each step would be a line."""
    return nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO())


def _convert(path: Path, folder: Path) -> None:
    """Write config, tokenizer and float32 weights of a GGUF file. A model read from one refuses to be saved itself."""
    where = {"gguf_file": path.name, "local_files_only": True}
    AutoTokenizer.from_pretrained(path.parent, **where).save_pretrained(folder)
    automatic: Any = AutoModelForCausalLM
    packed = automatic.from_pretrained(path.parent, dtype=torch.float32, **where)
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = automatic.from_config(config)
    plain.load_state_dict(packed.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(folder)
