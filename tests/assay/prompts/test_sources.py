import sys
from types import ModuleType

import pytest

from assay.errors import AssayError
from assay.prompts.documents import Document
from assay.prompts.sources import gutenberg, read_files, sections


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.txt").write_text("second", encoding="utf-8")
    (tmp_path / "a.md").write_text("\ufefffirst é", encoding="utf-8")
    (tmp_path / "deep" / "c.rst").write_text("third", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    return tmp_path


def texts(documents):
    return [document.text for document in documents]


def test_a_folder_a_glob_and_files(folder):
    assert texts(read_files([str(folder)])) == ["first é", "second", "third"]
    assert texts(read_files([f"{folder}/**/*.rst"])) == ["third"]
    once = read_files([str(folder / "b.txt"), str(folder), f"{folder}/*.txt"])
    assert texts(once) == ["first é", "second", "third"]
    assert once[1].id == (folder / "b.txt").as_posix()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: [str(folder / "missing.txt")], "no text file matches"),
        (lambda folder: [f"{folder}/*.tex"], "no text file matches"),
        (lambda folder: [str(folder / "picture.png")], "picture.png is not UTF-8"),
        (lambda folder: [str(folder / "empty")], "holds no text file"),
        (lambda folder: [str(folder / "blank.txt")], r"blank.txt is empty"),
        (lambda _folder: [], "at least one file"),
    ],
)
def test_bad_files_are_named(folder, make, message):
    (folder / "empty").mkdir()
    (folder / "blank.txt").write_text(" \n")
    with pytest.raises(AssayError, match=message):
        read_files(make(folder))


def test_a_long_file_becomes_sections():
    paragraphs = [f"paragraph {i} " + "x" * 30 + "\n" for i in range(10)]
    document = Document("book", "\n".join(paragraphs))
    parts = sections(document, 100)
    assert [part.id for part in parts] == [f"book§{i}" for i in range(len(parts))]
    assert "\n".join(texts(parts)) == document.text
    assert all(len(part.text) >= 100 for part in parts[:-1])
    assert len(sections(document, 10_000)) == 1


def fake_library(monkeypatch, load):
    library = ModuleType("datasets")
    library.load_dataset = load
    monkeypatch.setitem(sys.modules, "datasets", library)


def test_gutenberg_streams_only_what_is_asked_for(monkeypatch):
    served = []

    def load(name, *, split, streaming):
        assert (name, split, streaming) == ("manu/project_gutenberg", "de", True)
        for number in range(100):
            served.append(number)
            yield {"id": f"book-{number}", "text": "" if number == 0 else f"text {number}"}

    fake_library(monkeypatch, load)
    assert gutenberg("de", 2) == [Document("book-1", "text 1"), Document("book-2", "text 2")]
    assert len(served) <= 4


def test_gutenberg_says_what_is_missing(monkeypatch):
    def offline(*_args, **_kwargs):
        raise ConnectionError("Couldn't reach the hub")

    with pytest.raises(AssayError, match="no language 'tlh'"):
        gutenberg("tlh", 3)
    with pytest.raises(AssayError, match="how many books"):
        gutenberg("en", 0)
    monkeypatch.setitem(sys.modules, "datasets", None)  # as if not installed
    with pytest.raises(AssayError, match=r"assay\[gutenberg\]"):
        gutenberg("en", 3)
    fake_library(monkeypatch, offline)
    with pytest.raises(AssayError, match="cannot stream manu/project_gutenberg"):
        gutenberg("en", 3)
    fake_library(monkeypatch, lambda *_a, **_k: [{"title": "x"}])
    with pytest.raises(AssayError, match="lacks 'id' or 'text'; it has title"):
        gutenberg("en", 3)
    fake_library(monkeypatch, lambda *_a, **_k: [])
    with pytest.raises(AssayError, match="no book"):
        gutenberg("en", 3)


def test_gutenberg_reads_a_local_copy_with_the_real_library(tmp_path):
    pytest.importorskip("datasets", reason="the optional `gutenberg` extra is not installed")
    (tmp_path / "en.jsonl").write_text('{"id": "1", "text": "one"}\n{"id": "2", "text": "two"}\n')
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: en, path: en.jsonl}\n---\n"
    )
    assert texts(gutenberg("en", 5, dataset=str(tmp_path))) == ["one", "two"]
    with pytest.raises(AssayError, match="cannot stream"):
        gutenberg("fr", 5, dataset=str(tmp_path))
