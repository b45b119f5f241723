"""Real English prose without a download: documents, and a train/test split that never moves."""

import ast
import hashlib
import inspect
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError

MIN_DOCSTRING = 80  # characters; shorter docstrings are labels, not prose
MIN_PARAGRAPH = 40  # characters; shorter paragraphs ("Example:") may repeat between documents
HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)  # what may hold a definition; expressions never do
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True)
class Document:
    """One text that stays whole in a split: `id` is unique within its source."""

    id: str
    text: str


def python_docs() -> list[Document]:
    """Prose that every CPython ships: the language reference and the standard library's docstrings.

    One document per topic of `pydoc_data.topics` (id `topic/<name>`), then one per standard-library module
    (id `module/<path>`) that joins its docstrings of at least 80 characters in source order. Modules are parsed,
    never imported. Topics quote one another at length, so a paragraph that an earlier document holds is left out
    of the later one: otherwise a split by document would still share text. Deterministic for one Python version.
    """
    return without_repeats([*_topics(), *_modules(Path(sysconfig.get_path("stdlib")))])


def split_documents(
    documents: Sequence[Document], *, seed: int, test_fraction: float = 0.2
) -> tuple[list[Document], list[Document]]:
    """(train, test), each in the given order; about `test_fraction` of the documents are test.

    A document's side is a hash of (seed, id): it never depends on the other documents or on their order.
    Raises AssayError for a fraction outside (0, 1) or for two documents with one id.
    """
    if not 0 < test_fraction < 1:
        raise AssayError(f"test_fraction must lie between 0 and 1, found {test_fraction}")
    if len({document.id for document in documents}) != len(documents):
        raise AssayError(
            "two documents have the same id, so a split by document is not defined; make the ids unique"
        )
    is_test = {document.id: _uniform(seed, document.id) < test_fraction for document in documents}
    train = [document for document in documents if not is_test[document.id]]
    return train, [document for document in documents if is_test[document.id]]


def without_repeats(documents: Sequence[Document]) -> list[Document]:
    """Drop every paragraph of 40 characters or more that occurred before, and documents left empty.

    Paragraphs are separated by blank lines and compared with white space collapsed.
    """
    seen: set[str] = set()
    kept = []
    for document in documents:
        paragraphs = []
        for paragraph in document.text.split("\n\n"):
            key = " ".join(paragraph.split())
            if len(key) >= MIN_PARAGRAPH and key in seen:
                continue
            seen.add(key)
            paragraphs.append(paragraph)
        text = "\n\n".join(paragraphs).strip("\n")
        if text.strip():
            kept.append(Document(document.id, text))
    return kept


def _topics() -> Iterator[Document]:
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield Document(f"topic/{name}", topics[name].strip("\n"))


def _modules(root: Path) -> Iterator[Document]:
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if LEFT_OUT.intersection(relative.parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:  # the library ships templates and bad-syntax samples that are not modules
            continue
        text = "\n\n".join(_docstrings(tree))
        if text:
            yield Document(f"module/{relative.with_suffix('').as_posix()}", text)


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings in source order, indentation removed."""
    owners: list[ast.AST] = [tree]
    while owners:
        owner = owners.pop()
        if isinstance(owner, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(owner, clean=False)
            text = inspect.cleandoc(docstring) if docstring else ""
            if len(text) >= MIN_DOCSTRING:
                yield text
        owners.extend(
            child for child in reversed(list(ast.iter_child_nodes(owner))) if isinstance(child, HOLDERS)
        )


def _uniform(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on nothing but (seed, name)."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
