"""Peak memory of the command, for 1,000 and for 20,000 records of the same lengths."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.conftest import Report
from benchmarks.workload import GEMMA_TINY, paragraphs, save_gemma

from assay.prompts.records import PromptRecord, write_records

ROOT = Path(__file__).parents[2]
LONGEST = 200  # characters: memory is measured here, not speed
# Linux counts what a process held before exec as its peak: a child of this one would start with the models of other benchmarks.
LAUNCHER = """
import os, subprocess, sys
with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL) as process:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_maxrss)
sys.exit(process.returncode)
"""


def peak_megabytes(folder: Path, count: int) -> float:
    """Peak resident memory of `python -m stages.extract` on `count` records."""
    texts = [(record.text or "")[:LONGEST] for record in paragraphs(1000)]
    records = (PromptRecord(id=f"r{i}", text=texts[i % len(texts)]) for i in range(count))
    write_records(folder / f"{count}.jsonl", records)
    command = f"""{sys.executable} -m stages.extract --model {folder}/model --prompts {folder}/{count}.jsonl --site resid
        --layers all --position all --pooling none --batch-tokens 2048 --out {folder}/{count}.h5"""
    environment = {**os.environ, "ASSAY_SCRATCH": str(folder / "scratch")}
    launcher = [sys.executable, "-c", LAUNCHER, *command.split()]
    done = subprocess.run(launcher, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return int(done.stdout) / 1024


@pytest.mark.timeout(1200)
def test_memory_is_flat_in_the_number_of_records(report: Report, tmp_path: Path) -> None:
    save_gemma(tmp_path / "model", GEMMA_TINY)
    few, many = (peak_megabytes(tmp_path, count) for count in (1_000, 20_000))
    store = (tmp_path / "20000.h5").stat().st_size / 2**20
    detail = f"{few:.0f} MB with 1,000 records, {many:.0f} MB with 20,000, whose store has {store:.0f} MB"
    report.add("peak memory, 20,000 / 1,000 records", many / few, "growth", 1.1, detail)
