"""Text that a user brings: files and folders, or Project Gutenberg from the Hugging Face hub."""

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.prompts.documents import Document

TEXT_SUFFIXES = (".txt", ".text", ".md", ".rst")
GUTENBERG = "manu/project_gutenberg"
LANGUAGES = ("en", "fr", "de", "es", "it", "nl", "pl", "pt", "ru", "sv", "zh")


def read_files(patterns: Sequence[str], *, section_characters: int = 0) -> list[Document]:
    """UTF-8 text files as documents, in order of path; the id is the path as given.

    A pattern is a file of any suffix, a folder (its .txt, .text, .md and .rst files at any depth) or a glob
    (`books/**/*.txt`). One file is one document, so that a split never divides it. `section_characters` > 0 cuts each
    file at blank lines into documents of about that length instead: for a user who has a single long text, at the
    price that both sides of the split come from it.

    Raises AssayError for a pattern that matches nothing, an empty file and a file that is not UTF-8.
    """
    if not patterns:
        raise AssayError("the source `file` needs at least one file, folder or glob")
    paths = {path.resolve(): path for pattern in patterns for path in _matches(pattern)}
    documents = [Document(path.as_posix(), _read(path)) for path in sorted(paths.values())]
    if section_characters <= 0:
        return documents
    return [section for document in documents for section in sections(document, section_characters)]


def sections(document: Document, characters: int) -> list[Document]:
    """Cut a document at blank lines into parts of at least `characters`, the last one shorter; ids gain `§<n>`."""
    parts: list[str] = []
    for paragraph in re.split(r"(?<=\n)\s*\n(?=\S)", document.text):
        if parts and len(parts[-1]) < characters:
            parts[-1] += "\n" + paragraph
        else:
            parts.append(paragraph)
    return [Document(f"{document.id}§{number}", part) for number, part in enumerate(parts)]


def gutenberg(language: str, max_documents: int, *, dataset: str = GUTENBERG) -> list[Document]:
    """The first `max_documents` books of one language, streamed from the hub; `dataset` may be a local copy's folder.

    Raises AssayError when the optional `datasets` library is missing, the hub cannot be reached, or no book came.
    """
    if language not in LANGUAGES:
        raise AssayError(
            f"Project Gutenberg has no language {language!r}; choose one of {', '.join(LANGUAGES)}"
        )
    if max_documents < 1:
        raise AssayError("Project Gutenberg is large: say how many books to take (max_documents ≥ 1)")
    try:
        import datasets
    except ImportError as error:
        raise AssayError(
            "the source `gutenberg` needs the optional `datasets` library; install it with `pip install 'assay[gutenberg]'`"
        ) from error
    try:
        stream = datasets.load_dataset(dataset, split=language, streaming=True)
        documents = list(_books(stream, max_documents))
    except (OSError, ValueError) as error:  # ConnectionError and the hub's HTTP errors are OSErrors
        raise AssayError(
            f"cannot stream {dataset} ({language}): {type(error).__name__}: {error}; check the network connection, "
            "or use the source `python-docs` or `file`"
        ) from error
    if not documents:
        raise AssayError(f"{dataset} gave no book with text in {language}")
    return documents


def _books(stream: Any, max_documents: int) -> Iterator[Document]:
    """Books with any text; a row needs the columns `id` and `text`."""
    count = 0
    for row in stream:
        if count == max_documents:
            return
        if "id" not in row or "text" not in row:
            raise AssayError(f"a row of the dataset lacks 'id' or 'text'; it has {', '.join(sorted(row))}")
        if row["text"].strip():
            count += 1
            yield Document(str(row["id"]), row["text"])


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in TEXT_SUFFIXES]
        if not found:
            raise AssayError(
                f"the folder {pattern} holds no text file ({', '.join(TEXT_SUFFIXES)}); name a glob instead"
            )
        return found
    found = [Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]
    if not found:
        raise AssayError(
            f"no text file matches {pattern!r}; check the path, it is relative to {Path.cwd().name}/"
        )
    return found


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AssayError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it first"
        ) from error
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}") from error
    if not text.strip():
        raise AssayError(f"{path} is empty; remove it from the source or give it some text")
    return text
