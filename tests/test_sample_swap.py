"""`-S model=…` puts another model in the sample's place: every study's commands for the sample, on a tiny random Llama.

The commands are those of dvc.yaml with smaller numbers; nothing of the standard, its world or its organism is there.
"""

import json
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import stage_runner, toy_models, toy_tokenizers

from tools.pipeline import Pipeline, Stage, read_pipeline

ROOT = Path(__file__).parents[1]
SMALL: dict[str, dict[str, Any]] = {
    "tokens": {
        "tokens.prepare.source": "file",
        "tokens.prepare.path": ["texts"],
        "tokens.prepare.context": 40,
        "tokens.prepare.left": 4,
        "tokens.sizes.sample": {"train": 120, "validation": 40, "test": 60},
        "tokens.probe.shuffles": 3,
        "tokens.probe.resamples": 100,
        "tokens.view.tokens": 80,
        "layer": 1,
    },
    "oocr": {
        "oocr.own.trainings": [
            {"method": "vector", "layer": 1, "site": "resid", "seed": [0, 1], "max-steps": 2, "lr": 0.1},
            {"method": "lora", "layer": 1, "rank": 2, "seed": [0, 1], "max-steps": 2, "lr": 0.1},
        ],
        "oocr.evaluate.sample.random": 2,
    },
}


@pytest.fixture(scope="module", params=sorted(SMALL))
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Pipeline]:
    """(study, folder, pipeline) after every stage of the study that is the sample's was run once, in order."""
    folder = tmp_path_factory.mktemp(request.param)
    _lay_out(folder, SMALL[request.param])
    pipeline = read_pipeline(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ASSAY_SCRATCH", str(folder / "scratch"))
        for stage in _in_order(pipeline, request.param):
            assert stage.module is not None
            code = stage_runner.run_stage(stage.module.removeprefix("stages."), *stage.arguments)
            assert code == 0, stage.name
    return request.param, folder, pipeline


def test_every_output_is_there_and_nothing_of_the_standard(ran):
    study, folder, pipeline = ran
    stages = _in_order(pipeline, study)
    outputs = {output.path for stage in stages for output in stage.outputs}
    assert outputs
    assert [path for path in sorted(outputs) if not (folder / path).exists()] == []
    assert not (folder / "data/organism").exists()
    assert not (folder / "data/world").exists()


def _lay_out(folder: Path, changes: Mapping[str, Any]) -> None:
    """The pipeline's own files and inputs, params.yaml with `changes`, a toy model and texts."""
    for path in (ROOT / "dvc.yaml", *(ROOT / "stages").glob("*/dvc.yaml"), ROOT / "tools/models.txt"):
        place = folder / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    shutil.copytree(ROOT / "data/inputs", folder / "data/inputs", ignore=shutil.ignore_patterns("organism"))
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text(
        "[core]\n    no_scm = true\n[parsing]\n    bool = boolean_optional\n    list = append\n"
    )
    toy_models.save(folder / "toy", "llama", toy_tokenizers.llama3())
    _lengthen(folder / "toy/config.json")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["models"] = {"toy": {"source": "./toy"}}
    params["model"] = "toy"
    for key, value in changes.items():
        *above, last = key.split(".")
        place = params
        for name in above:
            place = place[name]
        assert last in place, f"params.yaml has no {key}"
        place[last] = value
    yaml.dump(params, folder / "params.yaml")
    rng = random.Random(0)
    (folder / "texts").mkdir()
    words = [
        "the",
        "cat",
        "sat",
        "on",
        "the",
        "mat",
        "and",
        "the",
        "dog",
        "ran",
        "question",
        "answer",
        "city",
        "of",
        "Rome",
    ]
    for number in range(40):
        (folder / "texts" / f"{number:02}.txt").write_text(" ".join(rng.choice(words) for _ in range(120)))


def _lengthen(config: Path) -> None:
    """Let the toy read the prompts of a study, which its words cut into many tokens."""
    settings = json.loads(config.read_text())
    config.write_text(json.dumps(settings | {"max_position_embeddings": 512}))


def _in_order(pipeline: Pipeline, study: str) -> list[Stage]:
    """The pin and the study's stages of the sample, each after those whose outputs it reads."""
    waiting = [s for s in pipeline.stages if _is_sample(s) and s.study in ("", study) and s.entry != "index"]
    made = {output.path for stage in waiting for output in stage.outputs}
    done: list[Stage] = []
    while waiting:
        have = {output.path for stage in done for output in stage.outputs}
        ready = [s for s in waiting if all(not _within(dep, made) or _within(dep, have) for dep in s.deps)]
        assert ready, [stage.name for stage in waiting]
        done += ready
        waiting = [stage for stage in waiting if stage not in ready]
    return done


def _is_sample(stage: Stage) -> bool:
    return any(
        "sample" in Path(output.path).parts or Path(output.path).stem == "sample" for output in stage.outputs
    )


def _within(path: str, outputs: set[str]) -> bool:
    """Whether a path is an output, lies in one or holds one."""
    one = Path(path)
    return any(one == Path(o) or one.is_relative_to(o) or Path(o).is_relative_to(one) for o in outputs)
