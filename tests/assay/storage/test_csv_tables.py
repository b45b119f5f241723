from pathlib import Path

import pandas as pd

from assay.storage.csv_tables import read_table, write_csv


def test_columns_are_written_without_the_index_and_lines_end_in_a_line_feed(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", 'b, "c"'], "r": [0.1, None]}, index=[7, 8])
    write_csv(tmp_path / "new" / "t.csv", table)
    assert (tmp_path / "new" / "t.csv").read_bytes() == b'name,r\na,0.1\n"b, ""c""",\n'
    assert read_table(tmp_path / "new" / "t.csv", ["name"]).to_dict("list") == {
        "name": ["a", 'b, "c"'],
        "r": ["0.1", ""],
    }
