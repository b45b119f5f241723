"""Texts from data as figures show them."""


def as_written(text: str) -> str:
    """A label that matplotlib draws as it is written: a `$` is a dollar, not the beginning of a formula."""
    return text.replace("$", r"\$")
