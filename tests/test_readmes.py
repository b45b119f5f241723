"""What the READMEs say to type and to open is there: links, paths, commands, stages, parameters."""

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tools.parse_commands import problems
from tools.pipeline import Pipeline, read_pipeline
from tools.readme import pages

ROOT = Path(__file__).parents[1]
PAGES = pages(ROOT)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=NAMES)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:assay|stages|tests|tools|plots|metrics|data/inputs|\.github)/[\w./-]+)`")


@cache
def pipeline() -> Pipeline:
    return read_pipeline(ROOT)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them in an address."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command of the page's bash blocks."""
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "bash":
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while "&&" in words:
                    yield words[: words.index("&&")]
                    words = words[words.index("&&") + 1 :]
                yield words


def test_every_study_has_a_page() -> None:
    studies = {Path(file).parent.as_posix() for file in pipeline().files if file != "dvc.yaml"}
    assert {f"{study}/README.md" for study in studies} == set(NAMES) - {"README.md", "stages/README.md"}


def test_the_first_page_is_short() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 160
    assert len(text.split()) <= 1500


def test_the_tree_names_every_room() -> None:
    [tree] = [
        block for language, block in FENCE.findall((ROOT / "README.md").read_text("utf-8")) if not language
    ]
    rooms = {path.parent.name for path in (ROOT / "assay").glob("*/__init__.py")}
    studies = {path.parent.name for path in (ROOT / "assay/studies").glob("*/__init__.py")}
    assert rooms | studies <= set(re.findall(r"\w+", tree))


@EVERY_PAGE
def test_links_and_pictures_exist(page: Path) -> None:
    links = [link for link in LINK.findall(prose(page)) if not link.startswith("https://")]
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EVERY_PAGE
def test_named_paths_exist(page: Path) -> None:
    for path in PATH.findall(prose(page)):
        assert (ROOT / path).exists(), path


@EVERY_PAGE
def test_commands_of_stages_and_tools_parse(page: Path) -> None:
    found = [words for words in commands(page) if words[:2] == ["python", "-m"]]
    assert found or page == PAGES[1]
    for _, _, module, *arguments in found:
        if module.startswith("stages.") or hasattr(importlib.import_module(module), "app"):
            assert problems(page.name, module, arguments) == []


@EVERY_PAGE
def test_imports_of_examples_work(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "python":
            for module, names in re.findall(r"^from (\S+) import (.+)$", block, re.MULTILINE):
                loaded = importlib.import_module(module)
                assert all(hasattr(loaded, name) for name in names.split(", ")), module


@EVERY_PAGE
def test_named_stages_exist(page: Path) -> None:
    stages = {stage.name for stage in pipeline().stages}
    text = page.read_text("utf-8")
    assert set(re.findall(r"stages/\w+/dvc\.yaml:[\w@.-]*\w", text)) <= stages
    for words in commands(page):
        assert set(targets(words)) <= stages | set(pipeline().files), words


def targets(words: list[str]) -> list[str]:
    """The stages or files that a `dvc repro` or `dvc exp run` names."""
    if words[:2] == ["dvc", "repro"]:
        return words[2:]
    if words[:3] != ["dvc", "exp", "run"]:
        return []
    return [
        word
        for before, word in pairwise(words[2:])
        if not word.startswith("-") and before not in ("-S", "-n")
    ]


@EVERY_PAGE
def test_changed_parameters_exist(page: Path) -> None:
    for words in commands(page):
        for before, word in pairwise(words):
            if before == "-S":
                assert has_key(pipeline().params, word.partition("=")[0]), word


def has_key(params: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(params, dict) or part not in params:
            return False
        params = params[part]
    return True
