"""What `--model` means on every stage's command line."""

from pathlib import Path

from assay.errors import AssayError
from assay.models.registry import ModelEntry, Pin, parse_registry, unknown_alias
from stages.shared.cli import read_mapping
from stages.shared.pins import read_pin


def resolve_model(model: str, params: Path) -> Pin:
    """The pin of `model`: a pin file (*.json), an alias of the registry in `params`, or a Hugging Face folder.

    Raises AssayError that lists the aliases when it is none of them.
    """
    if model.endswith(".json"):
        return read_pin(Path(model))
    folder = Path(model)
    entries = {} if folder.is_dir() and not params.exists() else read_registry(params)
    entry = entries.get(model)
    if entry is None and folder.is_dir():
        entry = ModelEntry(alias=folder.name, source=model)
    if entry is None:
        raise AssayError(
            f"{unknown_alias(model, entries)}. Add it to `models:` in {params}, or give a Hugging Face folder or a pin file"
        )
    from assay.models.loading import make_pin

    return make_pin(entry)


def base_of(alias: str, params: Path) -> str:
    """The alias of the model that `alias` was tuned from. Raises AssayError where the registry names none."""
    entries = read_registry(params)
    if alias not in entries:
        raise AssayError(f"{unknown_alias(alias, entries)}. Only an alias of {params} has a base")
    base = entries[alias].base
    if base is None:
        raise AssayError(f"model {alias!r} has no `base:` in {params}; name the alias that it was tuned from")
    return base


def read_registry(params: Path) -> dict[str, ModelEntry]:
    """The section `models:` of a params file. Raises AssayError that names the file."""
    values = read_mapping(params)
    if "models" not in values:
        raise AssayError(f"{params} has no section `models:`; add it, one entry {{source: …}} for each alias")
    try:
        return parse_registry(values["models"])
    except AssayError as error:
        raise AssayError(f"{params}: {error}") from error
