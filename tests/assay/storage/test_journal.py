import json
import resource
import signal

import pytest

from assay.errors import AssayError
from assay.storage.journal import Journal


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


def test_a_full_disk_is_one_clear_error(tmp_path):
    """A write beyond the limit on file sizes fails as on a full disk; what was whole before is kept."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Journal(tmp_path / "j") as journal:
            journal.append([{"a": 1}])
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
            with pytest.raises(AssayError, match="free space"):
                journal.append([{"a": "x" * 200}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert rows(tmp_path / "j") == [{"a": 1}]
