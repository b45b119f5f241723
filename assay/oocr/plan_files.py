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
    """One adapter (None: the base model alone), the question files that it is asked, and its random controls.

    `random` None: as many controls as the command line says.
    """

    adapter: Named | None
    questions: tuple[Named, ...]
    random: int | None = None


def parse_plan(value: Any) -> list[Entry]:
    """The entries of a plan: a list of {adapter, questions, random}; paths may be NAME=PATH, `adapter` and `random` missing.

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
        or not set(value) <= {"adapter", "questions", "random"}
        or not value.get("questions")
    ):
        raise AssayError(f"plan entry {number}: expected {{adapter, questions, random}}, found {value!r}")
    random = value.get("random")
    if random is not None and (not isinstance(random, int) or isinstance(random, bool) or random < 0):
        raise AssayError(f"plan entry {number}: random is a number of controls, found {random!r}")
    questions = value["questions"] if isinstance(value["questions"], list) else [value["questions"]]
    words = [*questions, *([value["adapter"]] if value.get("adapter") is not None else [])]
    if not all(isinstance(word, str) for word in words):
        raise AssayError(
            f"plan entry {number}: adapter and questions are paths or NAME=PATH, found {words!r}"
        )
    adapter = parse_named(value["adapter"]) if value.get("adapter") is not None else None
    return Entry(adapter, tuple(parse_named(word) for word in questions), random)
