from pathlib import Path

import pytest

from tools.layers import breaches

ROOT = Path(__file__).parents[2]


def test_every_room_imports_lower_rooms_only() -> None:
    assert breaches(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("probes/ridge.py", "from assay.studies.oocr import tasks", "probes must not import studies/oocr"),
        ("probes/ridge.py", "from assay.directions.direction import Direction", "probes must not import directions"),
        ("studies/tokens/page.py", "import assay.studies.oocr.tasks.codes", "studies/tokens must not import studies/oocr"),
        ("models/hub.py", "def f():\n    from assay.world import tables", "models must not import world"),
        ("models/hub.py", "if TYPE_CHECKING:\n    from assay.probes.linear import Probe", "models must not import probes"),
        ("models/hub.py", "from . import loading", "must not import relative_import"),
        ("attic/old.py", "", "attic is no room"),
    ],
)  # fmt: skip
def test_a_breach_is_named(tmp_path: Path, file: str, text: str, named: str) -> None:
    path = tmp_path / "assay" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    [found] = breaches(tmp_path)
    assert named in found


def test_a_room_may_use_itself_and_what_lies_below(tmp_path: Path) -> None:
    path = tmp_path / "assay" / "studies" / "oocr" / "page.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import json\nfrom assay import errors\nfrom assay.studies.oocr import tasks\nimport stages\n"
    )
    assert breaches(tmp_path) == []
