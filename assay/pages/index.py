"""The run's index: every page and picture by study and subject, each with the numbers it is about."""

import html
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from assay.errors import AssayError
from assay.pages.index_plan import IndexPlan, StudyPlan
from assay.pages.shell import render_page
from assay.storage.json_text import read_document

_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


@dataclass(frozen=True)
class Link:
    """A file: where it lies from the index, its name, and for a picture its table ("" without one)."""

    href: str
    name: str
    table: str = ""


@dataclass(frozen=True)
class Group:
    """What one subject of a study has; `subject` is "" for files that are of none. `numbers` are (words, value)."""

    subject: str
    numbers: Sequence[tuple[str, str]]
    pages: Sequence[Link]
    pictures: Sequence[Link]


@dataclass(frozen=True)
class IndexedStudy:
    """A study's section."""

    name: str
    title: str
    asks: str
    groups: Sequence[Group]


def collect(plan: IndexPlan, plots: Path, metrics: Path, start: Path) -> list[IndexedStudy]:
    """What plots/STUDY and metrics/STUDY hold, in the plan's order, with or without a folder for each subject.

    Files are sorted by path and linked from the folder `start`. Metrics may also be one file, metrics/STUDY.json. Raises
    AssayError for the numbers that the plan names and the metrics lack (each end of an interval is one), and where a
    folder is missing.
    """
    for folder in (plots, metrics):
        if not folder.is_dir():
            raise AssayError(f"{folder} is no folder; give the one that the stages wrote to")
    studies = []
    for name, study in plan.studies.items():
        drawn = _by_subject(plots / name, plan.subjects)
        measured = _by_subject(metrics / name, plan.subjects)
        if (whole := metrics / f"{name}.json").is_file():
            measured.setdefault("", {})[whole.name] = whole
        present = [subject for subject in plan.subjects if subject in drawn or subject in measured]
        groups = []
        for subject in present or [""]:
            numbers = _numbers(study, subject, measured.get(subject, {}), metrics / name / subject)
            groups.append(_group(plan.subjects.get(subject, ""), numbers, drawn.get(subject, {}), start))
        if present and "" in drawn:  # what compares subjects
            groups.insert(0, _group("", [], drawn[""], start))
        studies.append(IndexedStudy(name, study.title, study.asks, groups))
    return studies


def left_out(plan: IndexPlan, plots: Path) -> list[str]:
    """Folders of plots that the plan does not name."""
    return sorted(path.name for path in plots.iterdir() if path.is_dir() and path.name not in plan.studies)


def render_index(studies: Sequence[IndexedStudy]) -> str:
    """The index as HTML: it shows the pictures where they lie and holds none."""
    return render_page(
        __package__, "index.html", style="index.css", values={"studies": studies}, pictures=True
    )


def _by_subject(folder: Path, subjects: Mapping[str, str]) -> dict[str, dict[str, Path]]:
    """Files below a study's folder: subject ("" without one) → path below the subject's folder → file."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            subject = parts[0] if parts[0] in subjects else ""
            found.setdefault(subject, {})["/".join(parts[1:] if subject else parts)] = path
    return found


def _numbers(
    study: StudyPlan, subject: str, measured: Mapping[str, Path], folder: Path
) -> list[tuple[str, str]]:
    """The study's headlines that this subject has, each with its interval."""
    found, missing = [], []
    for label, place in study.headlines.items():
        file, key, *only = place.split()
        if subject and only not in ([], [subject]):
            continue
        values = read_document(measured[f"{file}.json"]) if f"{file}.json" in measured else {}
        if lacking := [name for name in (key, f"{key}_lo", f"{key}_hi") if name not in values]:
            missing.append(f"{', '.join(lacking)} of {file}.json")
        else:
            value, low, high = (float(values[name]) for name in (key, f"{key}_lo", f"{key}_hi"))
            found.append((label, f"{value:.3f} [{low:.3f}, {high:.3f}]".replace("-", "−")))
    if missing:
        raise AssayError(
            f"{folder} lacks {'; '.join(missing)}, which the index names; run the stages that measure it, or mend the index"
        )
    return found


def _group(subject: str, numbers: Sequence[tuple[str, str]], files: Mapping[str, Path], start: Path) -> Group:
    pages = [Link(_href(path, start), _page_title(path)) for path in files.values() if path.suffix == ".html"]
    pictures = []
    for name, path in files.items():
        if path.suffix == ".png":
            beside = path.with_suffix(".csv")
            table = _href(beside, start) if beside in files.values() else ""
            pictures.append(Link(_href(path, start), name.removesuffix(".png"), table))
    return Group(subject, numbers, pages, pictures)


def _href(path: Path, start: Path) -> str:
    return quote(Path(os.path.relpath(path, start)).as_posix())


def _page_title(path: Path) -> str:
    """The title that a page gives itself, else the file's name."""
    found = _TITLE.search(path.read_text("utf-8", errors="replace"))
    return html.unescape(found[1]).strip() if found else path.stem
