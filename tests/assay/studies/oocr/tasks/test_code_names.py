import pytest

from assay.errors import AssayError
from assay.finetuning.data import only
from assay.prompts.records import PromptRecord
from assay.studies.oocr.tasks.code_names import called_functions, find_spans, imported_functions, tag

NAMES = ("City 5033", "City 50337", "add", "addtwo")


def conversation(*contents: str) -> PromptRecord:
    roles = ("system", "user", "user")
    messages = tuple({"role": role, "content": c} for role, c in zip(roles, contents, strict=False))
    return PromptRecord(id="r", messages=messages)


def test_whole_words_only_and_every_message():
    record = conversation("City 50337 is near City 50337.", "add(addtwo(3)) + addtwoo(1), City 503371")
    assert find_spans(record.messages, NAMES) == {
        "City 50337": ((0, 0, 10), (0, 19, 29)),
        "add": ((1, 0, 3),),
        "addtwo": ((1, 4, 10),),
    }


def test_names_are_texts_not_patterns():
    record = conversation("a.b and axb", "")
    assert find_spans(record.messages, ("a.b",)) == {"a.b": ((0, 0, 3),)}
    with pytest.raises(AssayError, match="no code names"):
        find_spans(record.messages, ())


def test_the_second_import_is_called_too():
    code = "from functions import one,two ,  three\n\nx = one(3)\n\nprint(two (x))  # three times"
    assert imported_functions(code) == ("one", "two", "three")
    assert called_functions(code) == ("one", "two")
    assert called_functions("from functions import one\n\nprint(notone(2))") == ()


def test_only_learn_goes_by_what_is_called():
    code = "from functions import one, two\n\nprint(two(3))"
    record = tag(conversation("System.", code), ("one", "two"), called_functions(code))
    assert (record.group, set(record.spans)) == ("two", {"one", "two"})
    assert only([record], "two") == [record]
    with pytest.raises(AssayError, match="no row has the group or a span 'one'"):
        only([record], "one")
    places = tag(conversation("System.", "From one to two"), ("one", "two"))
    assert only([places], "two") == only([places], "one") == [places]
