"""Which text a stage reads: the options that name it, and its documents."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from assay.prompts.documents import Document

Source = Annotated[Literal["python-docs", "file", "gutenberg"], typer.Option()]
Paths = Annotated[list[str] | None, typer.Option(help="source `file`: file, folder or glob; repeatable")]
Section = Annotated[
    int, typer.Option(help="source `file`: cut files into documents of about N characters", min=0)
]
Language = Annotated[str, typer.Option(help="source `gutenberg`")]
Documents = Annotated[int, typer.Option(help="use the first N documents; 0 means all", min=0)]


def read_source(
    source: str, path: list[str] | None, section: int, language: str, documents: int
) -> "list[Document]":
    """The documents of a source, at most `documents` of them unless that is 0."""
    from assay.prompts.documents import python_docs
    from assay.prompts.sources import gutenberg, read_files

    if source == "gutenberg":
        return gutenberg(language, documents)
    texts = python_docs() if source == "python-docs" else read_files(path or [], section_characters=section)
    return texts[:documents] if documents else texts
