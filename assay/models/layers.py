"""One word for a layer: a 0-based decoder block, however the user wrote it."""

from collections.abc import Sequence

from assay.errors import AssayError

LayerSpec = int | float | str


def resolve_layer(spec: LayerSpec, n_layers: int) -> int:
    """The block index of `spec`: an int, a negative int (from the end) or a fraction f in (0, 1) → int(f · n_layers).

    A number given as text ("-1", "0.5") means the same. Raises AssayError when there is no such layer.
    """
    number = _parse_number(spec) if isinstance(spec, str) else spec
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise AssayError(f"layer {spec!r}: expected an int, a negative int or a fraction in (0, 1)")
    if isinstance(number, float) and number.is_integer() and number != 0:
        number = int(number)
    if isinstance(number, float):
        if not 0 < number < 1:
            raise AssayError(
                f"layer {spec}: a fraction must lie strictly between 0 and 1; for a block give its int"
            )
        return int(number * n_layers)
    if not -n_layers <= number < n_layers:
        raise AssayError(
            f"layer {number} of {n_layers}: the model has blocks 0 to {n_layers - 1} "
            f"(or -{n_layers} to -1 from the end)"
        )
    return number % n_layers


def resolve_layers(spec: LayerSpec | Sequence[LayerSpec], n_layers: int) -> list[int]:
    """The sorted, distinct block indices of "all", one layer, a list of layers, or comma-separated text "0,5,-1,0.5".

    Raises AssayError when one of them does not exist or none is given.
    """
    if isinstance(spec, str):
        if spec.strip() == "all":
            return list(range(n_layers))
        spec = [part.strip() for part in spec.split(",") if part.strip()]
    specs = [spec] if isinstance(spec, (int, float)) else list(spec)
    if not specs:
        raise AssayError('no layer given: write "all", a layer or a comma-separated list such as 0,5,-1,0.5')
    return sorted({resolve_layer(one, n_layers) for one in specs})


def _parse_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise AssayError(
            f"layer {text!r}: expected an int, a negative int, a fraction in (0, 1) or all"
        ) from None
