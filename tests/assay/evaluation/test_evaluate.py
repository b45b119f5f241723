"""Many adapters on one model: everyone's answers are what they are alone, and the model is left as it was."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.oocr.toy_study import info, items, lora_adapter, toy, vector_adapter

from assay.errors import AssayError
from assay.evaluation.encoding import encode_items
from assay.evaluation.evaluate import Asked, Plan, evaluate
from assay.evaluation.scoring import score
from assay.evaluation.subjects import Subject, find_subjects
from assay.finetuning.adapters import open_adapter
from assay.models.loading import LoadedModel


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return toy(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def adapters(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """vec: two seeds and a checkpoint each; swept: two learning rates; lora: one run."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed in (0, 1):
        vector_adapter(folder / "vec" / f"seed_{seed}_lr_0.1", loaded, seed)
        vector_adapter(folder / "vec" / f"seed_{seed}_lr_0.1" / "step_2", loaded, seed + 10, step=2)
    for lr in (0.1, 0.5):
        vector_adapter(folder / "swept" / f"seed_0_lr_{lr}", loaded, 5, lr=lr)
    lora_adapter(folder / "lora", loaded)
    return folder


def test_runs_checkpoints_rates_and_controls_of_a_folder(adapters: Path) -> None:
    def names(folder: str, **options: int) -> list[tuple[str, str, int, int | None]]:
        found = find_subjects(folder, adapters / folder, **options)
        return [(one.adapter, one.run, one.info.step, one.draw) for one in found]

    assert names("lora") == [("lora", "", 4, None)]
    assert names("vec") == [("vec", "seed_0_lr_0.1", 4, None), ("vec", "seed_1_lr_0.1", 4, None)]
    assert names("vec", checkpoints=True)[2:] == [
        ("vec", "seed_0_lr_0.1", 2, None),
        ("vec", "seed_1_lr_0.1", 2, None),
    ]
    assert names("vec", n_random=3, seed=7)[2:] == [("vec_random", f"draw_{k}", 4, k) for k in (7, 8, 9)]
    assert [name for name, *_ in names("swept")] == ["swept_lr_0.1", "swept_lr_0.5"]
    controls = [one for one in find_subjects("vec", adapters / "vec", n_random=3) if one.draw is not None]
    assert [one.info.seed for one in controls] == [0, 1, 0]


def ask(loaded: LoadedModel, subjects: list[Subject], base: bool = True) -> list[Asked]:
    sets = {"plain": items(), "dog": items("You are a dog.")}
    plan = Plan(
        sets, [(one, ["plain"] if one.adapter == "lora" else ["plain", "dog"]) for one in subjects], base
    )
    seen: list[tuple[int, int]] = []
    asked = list(evaluate(loaded, plan, progress=lambda done, total: seen.append((done, total))))
    assert seen[-1][0] == seen[-1][1] > 0
    assert len({total for _, total in seen}) == 1
    return asked


def test_everyone_answers_as_alone(loaded: LoadedModel, adapters: Path) -> None:
    subjects = [
        *find_subjects("vec", adapters / "vec", checkpoints=True, n_random=1),
        *find_subjects("lora", adapters / "lora", n_random=1),
    ]
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    asked = ask(loaded, subjects)
    after = loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert (
        len(asked) == 2 + 2 * 5 + 1 + 2
    )  # base, vectors with one control, LoRA's own set, its control's two
    questions = {
        "plain": encode_items(loaded.tokenizer, items(), context_length=64, places=["span:rome"]),
        "dog": encode_items(
            loaded.tokenizer, items("You are a dog."), context_length=64, places=["span:rome"]
        ),
    }
    for one in asked:
        if one.subject is None:
            (alone,) = score(loaded.model, loaded.architecture, questions[one.questions], {"x": ()}).values()
        elif one.subject.draw is None:
            with open_adapter(one.subject.folder, loaded) as adapted:
                configs = {"x": adapted.interventions}
                (alone,) = score(
                    adapted.model, adapted.architecture, questions[one.questions], configs
                ).values()
        else:
            continue
        for got, expected in zip(one.answers, alone, strict=True):
            assert got.logps == pytest.approx(expected.logps, abs=2e-4)
    plain = {(one.adapter, one.run): one for one in asked if one.questions == "plain"}
    different = {tuple(answer.logps for answer in one.answers) for one in plain.values()}
    assert len(different) == len(plain)
    assert {one.n_untouched for one in asked if one.adapter == "vec"} == {2}
    assert {one.n_nested for one in asked} == {1}  # "the city" begins "the city of Rome"
    assert {one.n_untouched for one in asked if one.adapter in ("base", "lora")} == {0}


def test_without_the_base_model(loaded: LoadedModel, adapters: Path) -> None:
    asked = ask(loaded, find_subjects("lora", adapters / "lora"), base=False)
    assert [(one.questions, one.adapter) for one in asked] == [("plain", "lora")]


def test_bad_plans(loaded: LoadedModel, adapters: Path, tmp_path: Path) -> None:
    (subject,) = find_subjects("lora", adapters / "lora")
    for match, sets, asked, base in (
        ("two adapters are called 'lora//4'", {"q": items()}, [(subject, ["q"])] * 2, True),
        ("two adapters are called 'base'", {"q": items()}, [(replace(subject, adapter="base"), ["q"])], True),
        ("question set .q. holds no item; give", {"q": []}, [], True),
        ("q: an interval needs items of two clusters", {"q": items()[:1]}, [], True),
        ("no question set, or nobody to answer; give", {}, [], True),
        ("no question set, or nobody to answer; give", {"q": items()}, [], False),
    ):
        with pytest.raises(AssayError, match=match):
            Plan(sets, asked, base)
    with pytest.raises(AssayError, match="holds no adapter"):
        find_subjects("x", tmp_path)
    with pytest.raises(AssayError, match="does not exist"):
        find_subjects("x", tmp_path / "nowhere")
    vector_adapter(tmp_path / "other", loaded, pin="0" * 64)
    asked = [(one, ["q"]) for one in (subject, *find_subjects("other", tmp_path / "other"))]
    with pytest.raises(AssayError, match="was made with another model"):
        next(evaluate(loaded, Plan({"q": items()}, asked, False)))


def test_a_control_of_several_vectors_is_scaled_one_by_one(loaded: LoadedModel, tmp_path: Path) -> None:
    vector_adapter(tmp_path, loaded, scopes={"rome": "span:rome", "last": "prompt[-1]"})
    trained, control = find_subjects("v", tmp_path, n_random=1)
    assert info(loaded).method == trained.info.method
    pairs = list(zip(trained.interventions(), control.interventions(), strict=True))
    assert [a.scope for a, _ in pairs] == ["prompt[-1]", "span:rome"]
    for a, b in pairs:
        assert (a.scope, a.layer, a.site) == (b.scope, b.layer, b.site)
        assert a.vector is not None
        assert b.vector is not None
        assert float(a.vector.norm()) == pytest.approx(float(b.vector.norm()), rel=1e-5)
