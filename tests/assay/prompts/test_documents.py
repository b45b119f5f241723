import pytest

from assay.errors import AssayError
from assay.prompts.documents import Document, python_docs, split_documents, without_repeats


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return python_docs()


def test_python_docs_is_real_prose_in_stable_order(documents):
    assert documents == python_docs()
    assert len({document.id for document in documents}) == len(documents)
    characters = sum(len(document.text) for document in documents)
    assert 1_000_000 < characters < 4_000_000
    assert sum(document.text.count(" the ") for document in documents) > 8_000
    by_id = {document.id: document.text for document in documents}
    assert "Assignment statements are used to (re)bind names" in by_id["topic/assignment"]
    assert "Extensible JSON" in by_id["module/json/encoder"]
    assert not any(id.startswith(("module/test/", "module/idlelib/")) for id in by_id)


def test_no_long_paragraph_occurs_in_two_documents(documents):
    owner: dict[str, str] = {}
    for document in documents:
        for paragraph in document.text.split("\n\n"):
            key = " ".join(paragraph.split())
            if len(key) >= 40:
                assert owner.setdefault(key, document.id) == document.id


def test_without_repeats_keeps_short_paragraphs_and_drops_empty_documents():
    long = "This sentence is longer than forty characters."
    documents = [
        Document("a", f"Example:\n\n{long}"),
        Document("b", f"Example:\n\n  {long}"),
        Document("c", long),
    ]
    assert without_repeats(documents) == [documents[0], Document("b", "Example:")]


def test_split_is_a_partition_in_order(documents):
    train, test = split_documents(documents, seed=0)
    assert sorted((*train, *test), key=lambda d: d.id) == sorted(documents, key=lambda d: d.id)
    assert train == [document for document in documents if document in train]
    assert 0.12 < len(test) / len(documents) < 0.28
    assert split_documents(documents, seed=1) != (train, test)


def test_side_of_a_document_does_not_depend_on_the_others(documents):
    _, test = split_documents(documents, seed=3, test_fraction=0.3)
    _, fewer = split_documents(documents[::-2], seed=3, test_fraction=0.3)
    assert {d.id for d in fewer} == {d.id for d in test} & {d.id for d in documents[::-2]}
    _, more = split_documents(documents, seed=3, test_fraction=0.5)
    assert {d.id for d in test} < {d.id for d in more}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0])
def test_split_refuses_a_fraction_outside_the_open_unit_interval(fraction):
    with pytest.raises(AssayError, match="test_fraction"):
        split_documents([Document("a", "x")], seed=0, test_fraction=fraction)


def test_split_refuses_duplicate_ids():
    with pytest.raises(AssayError, match="same id"):
        split_documents([Document("a", "x"), Document("a", "y")], seed=0)
