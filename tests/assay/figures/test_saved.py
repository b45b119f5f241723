import pandas as pd

from assay.figures.saved import save_with_table

TABLE = pd.DataFrame({"layer": [0, 1], "r": [0.5, None]})


def test_the_table_lies_beside_the_picture_that_shows_it(tmp_path):
    shown = []
    save_with_table(TABLE, lambda table, path: shown.append((table, path)), tmp_path / "a" / "r.png")
    assert (tmp_path / "a" / "r.csv").read_bytes() == b"layer,r\n0,0.5\n1,\n"
    assert shown == [(TABLE, tmp_path / "a" / "r.png")]


def test_a_named_table_is_written_there(tmp_path):
    save_with_table(TABLE, lambda *_: None, tmp_path / "r.png", csv=tmp_path / "other.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]
