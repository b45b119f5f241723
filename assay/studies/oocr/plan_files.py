"""What is asked of whom, as people write it: NAME=PATH words of a command line, or a plan file (JSON or YAML)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import AssayError


@dataclass(frozen=True)
class Named:
    """A path and its name in results."""

    name: str
    path: Path


def parse_named(word: str) -> Named:
    """NAME=PATH, or a path that is named as its last part without suffix."""
    name, equals, path = word.partition("=")
    if not equals:
        name, path = Path(word).stem if Path(word).is_file() else Path(word).name, word
    if not name or not path:
        raise AssayError(f"expected NAME=PATH or a path, found {word!r}")
    return Named(name, Path(path))


@dataclass(frozen=True)
class Entry:
    """One adapter (None: the base model alone), the question files that it is asked, and those that its random controls are.

    `controls` None: the same.
    """

    adapter: Named | None
    questions: tuple[Named, ...]
    controls: tuple[Named, ...] | None = None


def parse_plan(value: Any) -> list[Entry]:
    """The entries of a plan: a list of {adapter, questions, controls}, each NAME=PATH or a path; `adapter` and `controls` may be missing.

    Raises AssayError that numbers the entry.
    """
    if not isinstance(value, list) or not value:
        raise AssayError("a plan is a list of {adapter, questions} with one entry or more")
    return [_entry(number, one) for number, one in enumerate(value, 1)]


def unique(entries: Sequence[Entry]) -> Mapping[str, Path]:
    """Every question file of a plan by name. Raises AssayError where two files have one name."""
    found: dict[str, Path] = {}
    for one in (question for entry in entries for question in entry.questions):
        if found.setdefault(one.name, one.path) != one.path:
            raise AssayError(
                f"{found[one.name]} and {one.path} are both called {one.name!r}; write NAME=PATH"
            )
    return found


def _entry(number: int, value: Any) -> Entry:
    if (
        not isinstance(value, dict)
        or not set(value) <= {"adapter", "questions", "controls"}
        or not value.get("questions")
    ):
        raise AssayError(f"plan entry {number}: expected {{adapter, questions, controls}}, found {value!r}")
    questions = _listed(value["questions"])
    controls = _listed(value["controls"]) if "controls" in value else None
    words = [*questions, *(controls or []), *([value["adapter"]] if value.get("adapter") is not None else [])]
    if not all(isinstance(word, str) for word in words):
        raise AssayError(
            f"plan entry {number}: adapter, questions and controls are paths or NAME=PATH, found {words!r}"
        )
    if strange := [word for word in controls or [] if word not in questions]:
        raise AssayError(
            f"plan entry {number}: the adapter is not asked {strange[0]}, so its controls are not"
        )
    adapter = parse_named(value["adapter"]) if value.get("adapter") is not None else None
    named = [tuple(map(parse_named, part)) if part is not None else None for part in (questions, controls)]
    return Entry(adapter, named[0] or (), named[1])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
