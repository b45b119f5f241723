"""The one check that what was made with a model is used with the same model."""

from assay.errors import AssayError


def require_same_model(
    what: object, found: str, wanted: str, *, found_alias: str = "", wanted_alias: str = ""
) -> None:
    """Raise AssayError unless the fingerprint `found` of the model that `what` was made with is `wanted`.

    Aliases are only for people: two models are the same where their fingerprints are.
    """
    if found != wanted:
        raise AssayError(
            f"{what} was made with another model ({_named(found, found_alias)}) than this one "
            f"({_named(wanted, wanted_alias)}); give that model, or make it again with this one"
        )


def _named(fingerprint: str, alias: str) -> str:
    pin = f"pin {fingerprint[:12]}"
    return f"{alias}, {pin}" if alias else pin
