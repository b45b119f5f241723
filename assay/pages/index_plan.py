"""What the index says of each study, as a file lists it: its name, its question, and the numbers it is about."""

from collections.abc import Mapping
from dataclasses import dataclass

from assay.errors import AssayError
from assay.storage.settings import parse_settings


@dataclass(frozen=True)
class StudyPlan:
    """A study.

    Attributes:
        title: its name for readers.
        asks: its question, in a sentence.
        headlines: a number in words → "FILE KEY" of its metrics, or "FILE KEY SUBJECT" where only one subject has it;
            FILE is a path below the folder of the study (and subject), without its ending.
    """

    title: str
    asks: str
    headlines: Mapping[str, str]


@dataclass(frozen=True)
class IndexPlan:
    """Folder names of subjects and of studies, each in the order shown, and what they are called."""

    subjects: Mapping[str, str]
    studies: Mapping[str, StudyPlan]


def parse_plan(value: object) -> IndexPlan:
    """A plan from a mapping {subjects, studies}. Raises AssayError that names what is wrong."""
    plan: IndexPlan = parse_settings(IndexPlan, value, "index")
    for name, study in plan.studies.items():
        for label, place in study.headlines.items():
            words = place.split()
            if len(words) not in (2, 3) or not set(words[2:]) <= set(plan.subjects):
                raise AssayError(
                    f"index.studies.{name}, {label!r}: expected FILE KEY or FILE KEY SUBJECT, found {place!r}"
                )
    return plan
