"""Pinning a model and loading exactly what was pinned."""

import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from assay.errors import AssayError
from assay.models import hub
from assay.models.architecture import Architecture, Family, find_family, locate, read_sizes
from assay.models.devices import input_device
from assay.models.gguf import gguf_hash, unpacked
from assay.models.memory import keep_freed_memory
from assay.models.registry import Dtype, Kind, ModelEntry, Pin
from assay.models.sources import kind_of, local_path
from assay.storage.files import hash_folder
from assay.storage.fingerprints import text_hash

_DAMAGE = (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error)
"""What transformers raises for a value in a file of a model that is not what it should be."""
_HEADROOM = 0.8  # share of a GPU's memory that weights may take before the model is spread; the rest is for activations


@dataclass(frozen=True)
class LoadedModel:
    """A frozen model in evaluation mode, with its tokenizer, its pin and the map of its modules."""

    model: nn.Module
    tokenizer: Any
    pin: Pin
    architecture: Architecture

    @property
    def device(self) -> torch.device:
        """Where input ids go: the device of the token embedding."""
        return input_device(self.architecture)


def make_pin(entry: ModelEntry) -> Pin:
    """Resolve a registry entry: hub commit or content hash, sizes, dtype rule, tokenizer.

    Weights are hashed (folder, GGUF file) but not loaded; of a hub model only the small files are downloaded. Raises AssayError
    when the source does not exist, is of an unsupported architecture or would overflow in the asked dtype.
    """
    kind = kind_of(entry.source)
    content_hash = None if kind == "hub" else _content_hash(entry.source, kind)
    if content_hash is None:
        folder = hub.fetch(entry.source, entry.revision, weights=False)
    else:
        folder = _local_folder(entry.source, kind, content_hash)
    config = _read_config(folder, entry.source, trust_remote_code=entry.trust_remote_code)
    family = find_family(config.model_type)
    tokenizer = _read_tokenizer(folder, entry.source, trust_remote_code=entry.trust_remote_code)
    dtype_cpu, dtype_cuda = choose_dtypes(entry, family, config.model_type)
    return Pin(
        alias=entry.alias,
        source=entry.source,
        kind=kind,
        revision=hub.commit_of(folder) if kind == "hub" else None,
        content_hash=content_hash,
        base=entry.base,
        model_type=config.model_type,
        **asdict(read_sizes(config)),
        dtype_cpu=dtype_cpu,
        dtype_cuda=dtype_cuda,
        chat_template_hash=text_hash(str(tokenizer.chat_template)) if tokenizer.chat_template else None,
        tokenizer_hash=text_hash(tokenizer.backend_tokenizer.to_str()),
        trust_remote_code=entry.trust_remote_code,
    )


def choose_dtypes(entry: ModelEntry, family: Family, model_type: str) -> tuple[Dtype, Dtype]:
    """(dtype on CPU, dtype on CUDA). The entry's wins; else float32 and bfloat16, the range of which is float32's.

    Raises AssayError for float16 on a family whose activations overflow in it.
    """
    if entry.dtype == "float16" and family.float16_overflows:
        raise AssayError(
            f"models.{entry.alias}.dtype: float16 is refused for {model_type}: its activations exceed float16's largest "
            "number (65,504) and become NaN; use bfloat16 or float32, or remove the key"
        )
    return entry.dtype or "float32", entry.dtype or "bfloat16"


def load_model(pin: Pin) -> LoadedModel:
    """Load the pinned weights: from safetensors, frozen, in evaluation mode, on the GPU(s) if there are any.

    A model larger than one GPU is spread over all of them (`device_map="auto"`). Raises AssayError when the source no
    longer is what was pinned.
    """
    folder = _pinned_folder(pin, weights=True)
    dtype = runtime_dtype(pin)
    keep_freed_memory()
    if not sys.stderr.isatty():  # its bar would end in front of an error message
        disable_progress_bar()  # type: ignore[no-untyped-call]
    with _reading(f"cannot load {pin.source}"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map=_device_map(folder),
            attn_implementation=find_family(pin.model_type).attention,
            use_safetensors=True,
            trust_remote_code=pin.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
        )
    model, report = loaded
    if report["missing_keys"]:  # transformers would leave these at random values
        raise AssayError(
            f"cannot load {pin.source}: its weights lack {', '.join(sorted(report['missing_keys'])[:3])}"
        )
    model.eval().requires_grad_(False)
    tokenizer = _read_tokenizer(folder, pin.source, trust_remote_code=pin.trust_remote_code)
    return LoadedModel(model=model, tokenizer=tokenizer, pin=pin, architecture=locate(model))


def load_tokenizer(pin: Pin) -> Any:
    """The pinned model's tokenizer alone. Raises AssayError when it no longer is what was pinned."""
    folder = _pinned_folder(pin, weights=False)
    tokenizer = _read_tokenizer(folder, pin.source, trust_remote_code=pin.trust_remote_code)
    if text_hash(tokenizer.backend_tokenizer.to_str()) != pin.tokenizer_hash:
        raise AssayError(
            f"the tokenizer of {pin.source} is not the pinned one; rerun the pin stage (`dvc repro pin`)"
        )
    return tokenizer


def runtime_dtype(pin: Pin) -> torch.dtype:
    """The dtype of the pin's rule on this machine."""
    if not torch.cuda.is_available():
        name = pin.dtype_cpu
    elif pin.dtype_cuda == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        name = "float32"
    else:
        name = pin.dtype_cuda
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _content_hash(source: str, kind: Kind) -> str:
    """SHA-256 of a folder or GGUF file. Raises AssayError where there is none."""
    place = local_path(source)
    if kind == "gguf":
        return gguf_hash(place)
    if not (place / "config.json").is_file():
        raise AssayError(
            f"{source} is not a Hugging Face model folder (it has no config.json); check the path, or make it with `dvc repro`"
        )
    return hash_folder(place)


def _local_folder(source: str, kind: Kind, content_hash: str) -> Path:
    """The Hugging Face folder of a source that is not on the hub: it itself, or what the GGUF file was turned into."""
    place = local_path(source)
    if kind == "folder":
        return place
    with _reading(f"cannot read the GGUF file {source}"):
        return unpacked(place, content_hash)


def _pinned_folder(pin: Pin, *, weights: bool) -> Path:
    if pin.content_hash is None:
        folder = hub.fetch(pin.source, pin.revision, weights=weights)
    else:
        if (weights or pin.kind == "gguf") and _content_hash(pin.source, pin.kind) != pin.content_hash:
            raise AssayError(
                f"{pin.source} has changed since it was pinned; rerun the pin stage (`dvc repro pin`)"
            )
        folder = _local_folder(pin.source, pin.kind, pin.content_hash)
    _check_sizes(pin, _read_config(folder, pin.source, trust_remote_code=pin.trust_remote_code))
    return folder


def _check_sizes(pin: Pin, config: Any) -> None:
    """Raise AssayError where the pin says something else of the model than its config does: other layers would be read."""
    for name, value in {"model_type": config.model_type, **asdict(read_sizes(config))}.items():
        if getattr(pin, name) != value:
            raise AssayError(
                f"the pin of {pin.alias} says {name} {getattr(pin, name)}, the config of {pin.source} {value}; "
                "rerun the pin stage (`dvc repro pin`)"
            )


@contextmanager
def _reading(failed: str) -> Iterator[None]:
    """Turn what transformers says of a damaged, foreign or unfit model folder into an AssayError that begins with `failed`."""
    try:
        yield
    except ImportError as error:
        raise AssayError(f"{failed}: it needs a package that is not installed: {error}") from error
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise AssayError(f"{failed}: {error}") from error
        raise AssayError(
            f"{failed}: its weights are not of the sizes that its config.json says; get both anew"
        ) from error
    except (*_DAMAGE, SafetensorError, StrictDataclassError) as error:
        raise AssayError(f"{failed}: {error or type(error).__name__}") from error
    except Exception as error:
        if type(error) is not Exception:  # the tokenizers library raises no other
            raise
        raise AssayError(f"{failed}: {error}") from error


def _read_config(folder: Path, source: str, *, trust_remote_code: bool) -> Any:
    with _reading(f"cannot read the config of {source}"):
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)


def _read_tokenizer(folder: Path, source: str, *, trust_remote_code: bool) -> Any:
    with _reading(f"cannot read the tokenizer of {source}"):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
        tokenizer("a")  # some settings are looked at only here
    if not tokenizer.is_fast:
        raise AssayError(f"the tokenizer of {source} is not a fast one; save it with a tokenizer.json")
    return tokenizer


def _device_map(folder: Path) -> str | dict[str, int] | None:
    """None on a CPU, one GPU if the weights fit on it, else all devices."""
    if not torch.cuda.is_available():
        return None
    n_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    _, total = torch.cuda.mem_get_info(0)
    return {"": 0} if n_bytes < _HEADROOM * total else "auto"
