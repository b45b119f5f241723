import json

import pytest

from assay.errors import AssayError
from assay.journal import Journal


def rows(path):
    with Journal(path) as journal:
        return journal.rows


def test_groups_come_back_in_order(tmp_path):
    path = tmp_path / "j"
    with Journal(path) as journal:
        assert journal.rows == []
        journal.append([{"a": 1}, {"a": "line\nbreak \u2028 \r"}])
        journal.append([{"a": None}])
    with Journal(path) as journal:
        assert journal.rows == [{"a": 1}, {"a": "line\nbreak \u2028 \r"}, {"a": None}]
        journal.append([{"a": 4}])
    assert len(rows(path)) == 4


def test_cut_at_any_byte_whole_groups_are_kept_and_the_rest_is_written_again(tmp_path):
    path = tmp_path / "j"
    groups = [[{"a": 1}, {"a": 2}], [{"a": "ü"}], [{"a": 4}, {"a": 5}]]
    with Journal(path) as journal:
        for group in groups:
            journal.append(group)
    content = path.read_bytes()
    ends = [end + 1 for end, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = sum(end <= cut for end in ends)
        assert rows(path) == [row for group in groups[:whole] for row in group]
        with Journal(path) as journal:
            for group in groups[whole:]:
                journal.append(group)
        assert path.read_bytes() == content


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "j"
    path.write_text(json.dumps([{"a": 1}]) + "\n{broken\n")
    with pytest.raises(AssayError, match="line 2 is damaged"):
        rows(path)


def test_a_full_disk_is_one_clear_error():
    with Journal("/dev/full") as journal, pytest.raises(AssayError, match="free space"):
        journal.append([{"a": 1}])
