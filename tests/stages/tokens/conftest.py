"""A whole token study on a tiny random model and small files, run once through the stages' command lines."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from support import stage_runner, toy_models, toy_tokenizers

SENTENCE = "the cat sat on the mat and the dog ran question answer city of Rome naïve 🙂 <eos>"
HOSTILE = 'the cat </span></script><script>document.title = "owned"</script> <b>sat</b> &amp; on the mat\n'


class Study:
    """Paths and command lines of one study."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.model = toy_models.save(folder / "model", "gemma3_text", toy_tokenizers.gemma3())
        self.texts = folder / "texts"
        self.texts.mkdir()
        rng = random.Random(0)
        for number in range(40):
            words = " ".join(rng.choice(SENTENCE.split()) for _ in range(120))
            (self.texts / f"{number:02}.txt").write_text(HOSTILE + words, encoding="utf-8")

    def __getattr__(self, name: str) -> Path:
        return self.folder / name

    def model_options(self) -> list[object]:
        return ["--model", self.model, "--params", self.folder / "none.yaml"]

    def prepare_options(self, **changes: object) -> list[object]:
        options: dict[str, object] = {
            "source": "file", "path": self.texts, "target": " the", "text-seed": 0, "test-fraction": 0.3, "context": 40,
            "left": 4, "train": 150, "validation": 40, "test": 80, "holdout": 0.2, "seed": 0,
            "out": self.folder / "prompts.jsonl", "metrics": self.folder / "prepare.json",
        }  # fmt: skip
        options |= changes
        return [*self.model_options(), *(part for k, v in options.items() for part in (f"--{k}", v))]

    def probe_options(self, variant: str, **changes: object) -> list[object]:
        options: dict[str, object] = {
            "prompts": self.folder / "prompts.jsonl", "activations": self.folder / "activations.h5", "variant": variant,
            "decay": 1e-4, "cap": 5.0, "shuffles": 6, "resamples": 200, "seed": 0, "tracking": "none",
            "out": self.folder / variant, "table": self.folder / f"{variant}.csv",
            "metrics": self.folder / f"{variant}.json",
        }  # fmt: skip
        options |= changes
        return [part for k, v in options.items() for part in (f"--{k}", v)]

    def extract_options(self, **changes: object) -> list[object]:
        options: dict[str, object] = {
            "prompts": self.folder / "prompts.jsonl", "site": "resid", "layers": "all", "position": "explicit",
            "pooling": "none", "out": self.folder / "activations.h5",
        }  # fmt: skip
        options |= changes
        return [*self.model_options(), *(part for k, v in options.items() for part in (f"--{k}", v))]

    def report_options(self, layer: object) -> list[object]:
        return [
            "--next", self.folder / "next.csv", "--current", self.folder / "current.csv", "--layer", layer,
            "--target", " the", "--metrics", self.folder / "report.json", "--figure", self.folder / "accuracy.png",
            "--table", self.folder / "accuracy.csv",
        ]  # fmt: skip

    def view_options(self, *, tokens: int, out: Path, source: list[object]) -> list[object]:
        return [
            *self.model_options(), "--next-probes", self.folder / "next/probes.safetensors", "--next", self.folder / "next.csv",
            "--current-probes", self.folder / "current/probes.safetensors", "--current", self.folder / "current.csv",
            "--layer", 1, "--target", " the", "--tokens", tokens, "--context", 40, "--out", out, *source,
        ]  # fmt: skip


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study(tmp_path_factory.mktemp("study"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_SCRATCH", str(made.folder / "scratch"))
        assert stage_runner.run_stage("tokens.prepare", *made.prepare_options()) == 0
        assert stage_runner.run_stage("extract", *made.extract_options()) == 0
        for variant in ("next", "current"):
            assert stage_runner.run_stage("tokens.probe", *made.probe_options(variant)) == 0
    return made


@pytest.fixture(scope="session")
def run_stage() -> Callable[..., int]:
    return stage_runner.run_stage
