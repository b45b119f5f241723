from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.studies.preferences.asking.sampling import read_exclusions, stratified_sample, without


def groups_of(sizes):
    return {f"g{i}": [f"{i}-{k}" for k in range(size)] for i, size in enumerate(sizes)}


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6).filter(any), st.data())
def test_groups_are_as_equal_as_they_last(sizes, data):
    n = data.draw(st.integers(1, sum(sizes)))
    chosen = stratified_sample(groups_of(sizes), n, seed=3)
    assert len(set(chosen)) == len(chosen) == n
    counts = Counter(int(task.split("-")[0]) for task in chosen)
    largest = max(counts.values())
    for i, size in enumerate(sizes):
        assert counts[i] == size or counts[i] >= largest - 1
    full = [counts[i] for i, size in enumerate(sizes) if counts[i] < size]
    assert full == sorted(full, reverse=True)


def test_a_small_group_is_taken_whole_and_the_rest_shared():
    chosen = stratified_sample(groups_of([2, 50, 50]), 21, seed=0)
    assert Counter(task[0] for task in chosen) == {"0": 2, "1": 10, "2": 9}


def test_the_seed_decides_and_the_order_is_mixed():
    first = stratified_sample(groups_of([30, 30]), 40, seed=1)
    assert first == stratified_sample(groups_of([30, 30]), 40, seed=1)
    assert first != stratified_sample(groups_of([30, 30]), 40, seed=2)
    assert {task[0] for task in first[:10]} == {"0", "1"}


def test_two_sets_are_disjoint_by_a_file(tmp_path):
    path = tmp_path / "eval.txt"
    everything = groups_of([20, 20])
    held_out = stratified_sample(everything, 10, seed=0)
    path.write_text("\n".join(held_out) + "\n\n")
    excluded = read_exclusions(path, [task for tasks in everything.values() for task in tasks])
    left = {name: without(tasks, excluded) for name, tasks in everything.items()}
    assert sum(dropped for _, dropped in left.values()) == 10
    training = stratified_sample({name: kept for name, (kept, _) in left.items()}, 30, seed=0)
    assert not set(training) & set(held_out)
    with pytest.raises(AssayError, match="cannot draw 31 tasks: 30 are left"):
        stratified_sample({name: kept for name, (kept, _) in left.items()}, 31, seed=0)


def test_bad_input(tmp_path):
    with pytest.raises(AssayError, match="occurs twice"):
        stratified_sample({"a": ["x"], "b": ["x"]}, 1, seed=0)
    with pytest.raises(AssayError, match="cannot read"):
        read_exclusions(tmp_path / "none.txt", ["x"])
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(AssayError, match="excludes nothing"):
        read_exclusions(tmp_path / "empty.txt", ["x"])


@pytest.mark.parametrize(
    "text", ["t1\nt2\n", "\ufefft1\r\nt2\r\n", "  t1 \n\n\tt2", "\ufefft2\nt1\nt1\n", "t1\u00a0\r\n\r\nt2"]
)
def test_marks_and_blanks_are_no_part_of_an_id(tmp_path, text):
    (tmp_path / "x.txt").write_bytes(text.encode())
    excluded = read_exclusions(tmp_path / "x.txt", ["t1", "t2", "t3", "t4"])
    assert without(["t1", "t2", "t3", "t4"], excluded) == (["t3", "t4"], 2)


def test_ids_are_compared_as_they_are_read(tmp_path):
    (tmp_path / "x.txt").write_text("t1 \n t2\na\u2028b\n", encoding="utf-8")
    assert read_exclusions(tmp_path / "x.txt", ["t1", "t1 ", "t2  ", "a\u2028b"]) == {
        "t1 ",
        "t2  ",
        "a\u2028b",
    }


@pytest.mark.parametrize("text", ["t1\nt9\n", "id\nt1\n", "t1,t2\n", "T1\n"])
def test_an_id_that_is_no_task_is_refused(tmp_path, text):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(AssayError, match=r"1 of \d ids are no tasks \(first: "):
        read_exclusions(tmp_path / "x.txt", ["t1", "t2"])
