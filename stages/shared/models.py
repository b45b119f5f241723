"""What `--model` means on every stage's command line."""

from pathlib import Path

from assay.errors import AssayError
from assay.models.pin_files import read_pin
from assay.models.registry import ModelEntry, Pin, parse_registry, unknown_alias
from assay.models.sources import local_path
from stages.shared.cli import read_mapping
from stages.shared.outputs import also_read


def resolve_model(model: str, params: Path) -> Pin:
    """The pin of `model`: a pin file (*.json), an alias of the registry in `params`, a Hugging Face folder or a GGUF file.

    Raises AssayError that lists the aliases when it is none of them, and for a pin that turns on remote code where
    `params` does not.
    """
    if model.endswith(".json"):
        pin = read_pin(Path(model))
        if pin.trust_remote_code:
            _check_trust(pin, model, params)
        _keep(pin)
        return pin
    place = Path(model)
    given = place.is_dir() or model.lower().endswith(".gguf")
    entries = {} if given and not params.exists() else read_registry(params)
    entry = entries.get(model)
    if entry is None and given:
        entry = ModelEntry(alias=place.name, source=model)
    if entry is None:
        raise AssayError(
            f"{unknown_alias(model, entries)}. Add it to `models:` in {params}, or give a Hugging Face folder, a GGUF file "
            "or a pin file"
        )
    from assay.models.loading import make_pin

    pin = make_pin(entry)
    _keep(pin)
    return pin


def _keep(pin: Pin) -> None:
    """Raise AssayError where an output of the command would replace a file of the model, or its folder; a hub model has none here.

    Raises it too where the model's package is not installed.
    """
    if pin.kind != "hub":
        place = local_path(pin.source)
        also_read(f"the model {pin.alias}", [place, *place.glob("*")])


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


def _check_trust(pin: Pin, path: str, params: Path) -> None:
    """Code that comes with a model runs only where the params file says so of this very source, never because a pin does."""
    entry = read_registry(params).get(pin.alias)
    if entry is None or not entry.trust_remote_code or entry.source != pin.source:
        raise AssayError(
            f"{path} turns on trust_remote_code, which only {params} may: give the entry models.{pin.alias} of {pin.source} "
            "`trust_remote_code: true` there if you trust its code, or make the pin anew with `dvc repro pin`"
        )
