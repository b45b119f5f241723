"""What the stages about gambles share of their command lines."""

from collections.abc import Mapping

from assay.errors import AssayError

PARTS = ("train.jsonl", "validation.jsonl")
"""What a folder of a task holds, as patterns of files that may be replaced."""
QUESTIONS = ("questions/*.jsonl", "questions/*.csv")
"""What a folder of questions beside the tasks holds."""


def normal_answers(normal: str, own: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """A model's own answers where they are wanted, None for the safe ones. Raises AssayError when there are none."""
    if normal == "own" and own is None:
        raise AssayError("--normal own needs --own; make that file with `python -m stages.oocr.own_answers`")
    return own if normal == "own" else None
