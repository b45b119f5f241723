"""What a stage names under `deps:`."""

from pathlib import Path

import pytest
from support.mini_repository import edit, write_mini_repository

from tools.imports import NO_RESULT, code_of, dependencies_of, grouped

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"assay/a/x.py", "assay/a/y.py"}, {"assay/a/x.py", "assay/a/y.py"}),
        ({"assay/a/x.py", "assay/a/y.py", "assay/a/z.html"}, {"assay/a"}),
        ({"assay/a/x.py", "assay/a/y.py", "assay/a/b/z.py"}, {"assay/a/x.py", "assay/a/y.py", "assay/a/b/z.py"}),
        ({"assay/a/x.py", "assay/a/y.py", "assay/a/z.py", "assay/a/b/z.py"}, {"assay/a"}),
        ({"assay/a/b/x.py", "assay/a/b/y.py", "assay/a/b/z.py", "assay/a/x.py"}, {"assay/a/b", "assay/a/x.py"}),
        ({"assay/x.py", "assay/y.py", "assay/z.py"}, {"assay/x.py", "assay/y.py", "assay/z.py"}),
        ({"stages/s/x.py", "stages/s/y.py", "stages/s/z.py"}, {"stages/s/x.py", "stages/s/y.py", "stages/s/z.py"}),
    ],
)  # fmt: skip
def test_a_folder_stands_for_more_than_two_of_its_files(files: set[str], expected: set[str]) -> None:
    assert grouped(files) == expected


def test_a_stage_names_what_it_imports_but_not_what_only_prints(tmp_path: Path) -> None:
    root = write_mini_repository(tmp_path)
    (root / "stages/shared").mkdir()
    (root / "stages/shared/display.py").write_text("")
    edit(root, "stages/words/view.py", "import render\n", "import render\nimport stages.shared.display\n")
    assert "stages/shared/display.py" in code_of("stages.words.view", root)
    assert dependencies_of("stages.words.view", root) == {"assay/pages", "stages/words/view.py"}


def test_what_has_no_result_exists_and_writes_no_file() -> None:
    for name in NO_RESULT:
        text = (ROOT / name).read_text()
        assert "assay.storage.files" not in text
        assert "open(" not in text
