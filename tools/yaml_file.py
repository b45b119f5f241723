"""YAML 1.2, the dialect that DVC writes (PyYAML reads 1.1, where 1e-05 is a string)."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ValueError when it is something else."""
    value = YAML(typ="safe").load(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a mapping, found {type(value).__name__}")
    return value
