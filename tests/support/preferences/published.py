"""The published files, where a folder of them is given."""

import os
from pathlib import Path

import pytest

_FOLDER = os.environ.get("ASSAY_REFERENCE_DATA")
PUBLISHED = Path(_FOLDER or "missing") / "preferences"
needs_published = pytest.mark.skipif(
    not (_FOLDER and PUBLISHED.is_dir()), reason="ASSAY_REFERENCE_DATA holds no published preferences"
)
THURSTONE, OOD = PUBLISHED / "thurstone", PUBLISHED / "ood"
