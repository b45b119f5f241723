import math
from pathlib import Path

import pandas as pd
import pytest

from assay.errors import AssayError
from assay.storage.csv_tables import (
    iter_rows,
    parse_boolean,
    read_filled_table,
    read_numbers,
    read_table,
    write_csv,
)


def test_columns_are_written_without_the_index_and_lines_end_in_a_line_feed(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", 'b, "c"'], "r": [0.1, None]}, index=[7, 8])
    write_csv(tmp_path / "new" / "t.csv", table)
    assert (tmp_path / "new" / "t.csv").read_bytes() == b'name,r\na,0.1\n"b, ""c""",\n'
    assert read_table(tmp_path / "new" / "t.csv", ["name"]).to_dict("list") == {
        "name": ["a", 'b, "c"'],
        "r": ["0.1", ""],
    }


def write(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    return path


def test_rows_come_with_their_lines_and_values_as_written(tmp_path):
    text = '\ufeffid, text,n\r\n\r\n001,"two\nlines, one value", 1\r\nNA,"say ""hi""",\r\nnull,nan,-\r\n'
    assert list(iter_rows(write(tmp_path, text), ("text",))) == [
        (3, {"id": "001", "text": "two\nlines, one value", "n": " 1"}),
        (5, {"id": "NA", "text": 'say "hi"', "n": ""}),
        (6, {"id": "null", "text": "nan", "n": "-"}),
    ]


def test_blanks_after_a_closing_quote_are_no_part_of_the_value(tmp_path):
    text = 'a,b\n"x","y" \n"one\ntwo" ,"say ""hi"" , then"\t\n5" screen,"k "\n"""" , z \n'
    assert [list(row.values()) for _, row in iter_rows(write(tmp_path, text), ())] == [
        ["x", "y"],
        ["one\ntwo", 'say "hi" , then'],
        ['5" screen', "k "],
        ['"', " z "],
    ]


def test_a_table_without_rows_has_its_columns(tmp_path):
    assert list(read_table(write(tmp_path, "id,text\n"), ("id",))) == ["id", "text"]


def test_row_numbers_without_a_name_are_passed_over(tmp_path):
    assert list(iter_rows(write(tmp_path, ",id,\n0,a,\n1,b, \n"), ("id",))) == [
        (2, {"id": "a"}),
        (3, {"id": "b"}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,text\na,b,\n", "line 2: 3 values under 2 names"),
        ("id,text,topic\nb,c,d\na,cats, dogs,x\n", "line 3: 4 values under 3 names"),
        ("id,text\na\n", "line 2: 1 values under 2 names"),
        ("id,text,\na,cats, dogs\n", "line 2: ' dogs' stands under no name"),
        ("id;text\na;b, c\n", "line 1: values are separated by semicolons"),
        ("id\ttext\na\tb\n", "line 1: values are separated by tabs"),
        ("id,text,id\na,b,c\n", "line 1: column 'id' occurs twice"),
        ("id,label\na,b\n", "column text is missing; it has id, label"),
        ('id,text\na,"b\n', "line 2: not a CSV table"),
        ('id,text\na,"b"c\n', "line 2: not a CSV table"),
        ("", "is empty"),
        ("\n\n", "is empty"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, text, message):
    path = write(tmp_path, text)
    for read in (read_filled_table, read_numbers, lambda path, names: list(iter_rows(path, names))):
        with pytest.raises(AssayError, match=message) as error:
            read(path, ("text",))
        assert str(error.value).startswith(str(path))


def test_other_encodings_and_missing_files_are_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("id,text\na,é\n".encode("latin-1"))
    with pytest.raises(AssayError, match="not UTF-8 text"):
        read_table(path, ())
    path.write_bytes("id,text\na,b\n".encode("utf-16"))
    with pytest.raises(AssayError, match="not UTF-8 text"):
        read_table(path, ())
    with pytest.raises(AssayError, match="cannot read"):
        read_table(tmp_path / "none.csv", ())
    with pytest.raises(AssayError, match="cannot read"):
        read_table(tmp_path, ())


def test_numbers_are_numbers_and_names_are_texts(tmp_path):
    table = read_numbers(
        write(tmp_path, "\ufeffname,mu,seen\nNA,1.5,True\n001,,False\n,2,True\n"), ("mu",), texts=("name",)
    )
    assert table["name"].tolist() == ["NA", "001", ""]
    assert table["mu"].tolist()[0::2] == [1.5, 2]
    assert math.isnan(table["mu"][1])
    assert table["seen"].tolist() == [True, False, True]


def test_all_readers_read_the_same_values(tmp_path):
    """Blanks after closing quotes are none of the value, within quotes they are; digits are read to the last one."""
    path = write(tmp_path, 'name,note,x\n"a, b" ,"c " \t,"0.1"  \n" d",e\u00a0,0.30000000000000004\n')
    rows = [row for _, row in iter_rows(path, ())]
    assert [row["name"] for row in rows] == ["a, b", " d"]
    table = read_numbers(path, ("x",))
    assert table[["name", "note"]].to_dict("records") == [{n: r[n] for n in ("name", "note")} for r in rows]
    assert table["x"].tolist() == [0.1, 0.1 + 0.2]


@pytest.mark.parametrize(
    "value", ["001", "1_000", "0x1", "nan", "NA", "1 2", "--1", "1e", "infinity", "True"]
)
def test_what_is_not_written_as_a_number_is_none(tmp_path, value):
    assert read_numbers(write(tmp_path, f"a,b\n{value},1\n2,1\n"), ("a",))["a"].tolist() == [value, "2"]


def test_booleans_are_read_however_they_are_written():
    assert all(parse_boolean("x", word) for word in ("true", "True", "TRUE", " yes ", "1"))
    assert not any(parse_boolean("x", word) for word in ("false", "False", "NO", "0", ""))
    with pytest.raises(AssayError, match="x: expected true or false, found 'maybe'"):
        parse_boolean("x", "maybe")
