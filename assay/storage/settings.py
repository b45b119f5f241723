"""Dataclasses from mappings of a params file, read strictly: an unknown, missing or ill-typed key is an error."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from assay.errors import AssayError

T = TypeVar("T")
LARGEST = 10**300
"""Below it an integer has a float."""


def parse_settings(cls: type[T], value: object, where: str) -> T:
    """A settings object from a mapping of params.yaml; `where` is its dotted place, named in errors."""
    parsed: T = _parse(cls, value, where)
    return parsed


def _parse(kind: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise AssayError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin is not None and issubclass(origin, Mapping):
        return {
            str(key): _parse(arguments[1], item, f"{where}.{key}")
            for key, item in _mapping(value, where).items()
        }
    if origin is list:
        if not isinstance(value, list):
            raise AssayError(f"{where}: expected a list, found {value!r}")
        return [_parse(arguments[0], item, f"{where}, item {number}") for number, item in enumerate(value, 1)]
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST:
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise AssayError(f"{where}: expected {_name(kind)}, found {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise AssayError(f"{where}: expected a finite number, found {value!r}")
    return value


def _parse_dataclass(kind: Any, value: object, where: str) -> Any:
    mapping = _mapping(value, where)
    fields = typing.get_type_hints(kind)
    if unknown := sorted(set(mapping) - set(fields)):
        raise AssayError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(fields)}")
    if missing := [name for name in fields if name not in mapping]:
        raise AssayError(f"{where}: missing {', '.join(missing)}; add it to the params file")
    return kind(**{name: _parse(hint, mapping[name], f"{where}.{name}") for name, hint in fields.items()})


def _mapping(value: object, where: str) -> Mapping[Any, object]:
    if not isinstance(value, Mapping):
        raise AssayError(f"{where}: expected a mapping, found {value!r}")
    return value


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type | types.GenericAlias) else str(kind)
