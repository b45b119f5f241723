"""What `--model` means on every stage's command line."""

from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import AssayError
from assay.files import read_json
from assay.registry import ModelEntry, Pin, parse_registry, unknown_alias
from stages.cli import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolve_model(model: str, params: Path) -> Pin:
    """The pin of `model`: a pin file (*.json), an alias of the registry in `params`, or a Hugging Face folder.

    Raises AssayError that lists the aliases when it is none of them.
    """
    if model.endswith(".json"):
        return _read_pin(Path(model))
    from assay.loading import make_pin

    folder = Path(model)
    entries: Mapping[str, ModelEntry] = {}
    if params.exists() or not folder.is_dir():
        entries = read_registry(params)
    if model in entries:
        return make_pin(entries[model])
    if folder.is_dir():
        return make_pin(ModelEntry(alias=folder.name, source=model))
    raise AssayError(
        f"{unknown_alias(model, entries)}. Add it to `models:` in {params}, or give a Hugging Face folder or a pin file"
    )


def read_registry(params: Path) -> dict[str, ModelEntry]:
    """The section `models:` of a params file. Raises AssayError that names the file."""
    values = read_params(params)
    if "models" not in values:
        raise AssayError(f"{params} has no section `models:`; add it, one entry {{source: …}} for each alias")
    try:
        return parse_registry(values["models"])
    except AssayError as error:
        raise AssayError(f"{params}: {error}") from error


def _read_pin(path: Path) -> Pin:
    try:
        return Pin.from_json(read_json(path))
    except AssayError as error:
        raise AssayError(f"{path}: {error}") from error
