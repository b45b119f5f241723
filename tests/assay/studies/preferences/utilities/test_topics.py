import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.utilities.topics import Topics, demean, read_topics, topic_r_squared


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_three_formats_say_the_same(tmp_path):
    plain = {"t1": "maths", "t2": "art"}
    judged = {task: {"a/judge": {"primary": topic, "secondary": "x"}} for task, topic in plain.items()}
    files = [
        write(tmp_path / "plain.json", json.dumps(plain)),
        write(tmp_path / "judged.json", json.dumps(judged)),
        write(tmp_path / "table.csv", "task_id,topic,why\nt1,maths,numbers\nt2,art,\nt3,,\n"),
    ]
    for path in files:
        assert dict(read_topics(path).of) == plain
    assert read_topics(files[0]).codes(["t2", "t9", "t1"]).tolist() == [0, -1, 1]


def test_the_version_changes_with_names_and_the_assignment_with_tasks():
    a, b = Topics({"t1": "maths", "t2": "art"}), Topics({"t1": "art", "t2": "maths"})
    renamed = Topics({"t1": "math", "t2": "art"})
    assert (a.version, a.assignment) == (Topics({"t2": "art", "t1": "maths"}).version, a.assignment)
    assert a.version == b.version != renamed.version
    assert a.assignment != b.assignment
    assert a.metrics()["topic_names"] == "art, maths"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", '{"t1": {"a": {"primary": "x"}, "b": {"primary": "y"}}}', "'t1' is classified by 2 classifiers"),
        ("t.json", '{"t1": {"a": {"secondary": "x"}}}', "'t1' has no topic"),
        ("t.json", '{"t1": 3}', "'t1' has no topic"),
        ("t.json", '["t1"]', "must map task ids"),
        ("t.json", '{"t1": ', "not valid JSON"),
        ("t.csv", "task_id,label\nt1,x\n", "column topic is missing"),
        ("t.csv", "task_id,topic\nt1,x\nt1,y\n", "'t1' occurs twice"),
        ("t.csv", "", "is empty"),
        ("t.csv", "id,topic\nt1,notes,\nt2,animals,\n", "line 2: 3 values under 2 names"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_named(tmp_path, name, text, message):
    with pytest.raises(AssayError, match=message) as error:
        read_topics(write(tmp_path / name, text))
    assert str(tmp_path / name) in str(error.value)


def test_demeaning_is_least_squares_on_one_hot_topics():
    rng = np.random.default_rng(0)
    topics = np.concatenate([rng.integers(0, 4, 99), [6]])
    values = rng.normal(size=100) + topics
    one_hot = OneHotEncoder().fit_transform(topics[:, None])
    model = LinearRegression().fit(one_hot, values)
    np.testing.assert_allclose(demean(values, topics), values - model.predict(one_hot), atol=1e-10)
    estimate = topic_r_squared(values, topics, Resampling(0, 200))
    assert estimate.value == pytest.approx(model.score(one_hot, values))
    assert estimate.lower < estimate.value < estimate.upper
    with pytest.raises(AssayError, match="1 tasks have no topic"):
        demean(values, np.where(np.arange(100) == 3, -1, topics))
