"""Where unfinished work waits."""

import os
from pathlib import Path


def scratch_root() -> Path:
    """The folder that ASSAY_SCRATCH names, else .scratch."""
    return Path(os.environ.get("ASSAY_SCRATCH", ".scratch"))
