import subprocess
import sys
from types import ModuleType

import pandas as pd
import pytest

from assay.errors import AssayError
from stages.shared.tracking import track

TABLE = pd.DataFrame({"layer": [0, 3], "balanced_accuracy": [0.5, 0.75], "tp": [4, 6]})


def test_without_tracking_no_library_is_imported():
    code = (
        "import sys, pandas as pd; from pathlib import Path; import stages.tokens.probe; from stages.shared.tracking import track;"
        "track('none', pd.DataFrame({'layer': [0]}), name='n', settings={}, folder=Path('x'));"
        "sys.exit(bool({'wandb', 'dvclive'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_dvclive_writes_its_folder_and_nothing_else(tmp_path, monkeypatch):
    pytest.importorskip("dvclive")
    monkeypatch.chdir(tmp_path)
    track("dvclive", TABLE, name="n", settings={"seed": 0}, folder=tmp_path / "live")
    rows = (tmp_path / "live" / "plots" / "metrics" / "balanced_accuracy.tsv").read_text().splitlines()
    assert rows == ["step\tbalanced_accuracy", "0\t0.5", "3\t0.75"]
    assert [path.name for path in tmp_path.iterdir()] == ["live"]


def test_wandb_gets_the_group_and_one_step_per_layer(tmp_path, monkeypatch):
    logged = []

    class Run:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            logged.append("finished")

        def log(self, values, step):
            logged.append((step, values))

    library = ModuleType("wandb")
    library.init = lambda **options: logged.append(options) or Run()
    monkeypatch.setitem(sys.modules, "wandb", library)
    track("wandb", TABLE, name="tokens-next", settings={"seed": 0}, folder=tmp_path)
    assert logged == [
        {"project": "assay", "group": "tokens-next", "config": {"seed": 0}},
        (0, {"balanced_accuracy": 0.5, "tp": 4.0}),
        (3, {"balanced_accuracy": 0.75, "tp": 6.0}),
        "finished",
    ]


@pytest.mark.parametrize("library", ["wandb", "dvclive"])
def test_a_missing_library_is_said(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, f"{library}.live", None)
    with pytest.raises(AssayError, match=r"assay\[tracking\]"):
        track(library, TABLE, name="n", settings={}, folder=tmp_path)
