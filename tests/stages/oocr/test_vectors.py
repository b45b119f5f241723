"""The comparison of vectors from the command line, on a tiny model with adapters that were drawn."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.toy_adapters import save_toy_lora, save_toy_vectors
from support.toy_models import N_LAYERS, save
from support.toy_tokenizers import gemma3
from typer.testing import CliRunner, Result

from assay.directions.naive import NamePair, Stem, naive_directions
from assay.errors import AssayError
from assay.finetuning.adapters import load_vectors
from assay.interventions.direction import load_direction
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.storage.files import hash_folder
from stages.oocr.vectors import app

CODES = ("City 50337", "City 9")
TABLES = {
    "cosines",
    "cosine_summary",
    "naive_by_layer",
    "natural",
    "norms",
    "token_cosines",
    "lens",
    "lens_counts",
    "related",
}


def load(folder: Path) -> LoadedModel:
    return load_model(make_pin(ModelEntry("model", str(folder / "model"))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    save(folder / "model", "gemma3_text", gemma3())
    loaded = load(folder)
    for seed in (0, 1):
        save_toy_vectors(folder / "vector" / f"seed_{seed}", loaded, 1, CODES, seed)
    save_toy_lora(folder / "lora", loaded, (1,))
    save_toy_lora(folder / "every", loaded, (0, 1, 2))
    (folder / "codes.csv").write_text(f"code,kind,stands_for\n{CODES[0]},city,Rome\n{CODES[1]},city,Oslo\n")
    (folder / "stems.csv").write_text(
        "kind,template,form\ncity,is {name} here,\ncity,is {name} there,\ncity,the {name},question\n"
    )
    (folder / "related.csv").write_text("adapter,word\nlora,the\n")
    (folder / "text.txt").write_text("the cat sat on the mat, and the dog ran to the city of Rome")
    user = {"role": "user", "content": "is the city of City 9 north?"}
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "messages": [user]}) + "\n" for i in range(3))
    )
    return folder


def invoke(folder: Path, out: Path, *more: str, **options: str) -> Result:
    words = {
        "model": str(folder / "model"), "codes": str(folder / "codes.csv"), "stems": str(folder / "stems.csv"),
        "related": str(folder / "related.csv"), "out": str(out / "out"), "tables": str(out / "plots"),
        "metrics": str(out / "m.json"), "top": "3", "limit": "2", "params": str(folder / "none.yaml"),
    } | options  # fmt: skip
    adapters = [f"v:city={folder / 'vector'}", f"lora:city={folder / 'lora'}", f"every={folder / 'every'}"]
    flat = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", value)]
    flat += [word for one in adapters for word in ("--adapters", one)]
    flat += ["--texts", f"prose={folder / 'text.txt'}", "--texts", str(folder / "rows.jsonl"), *more]
    return CliRunner().invoke(app, flat)


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    result = invoke(folder, out)
    assert result.exit_code == 0, result.output
    return out


def test_every_table_has_rows_and_a_figure(made: Path) -> None:
    plots = made / "plots"
    assert {path.stem for path in plots.glob("*.csv")} == TABLES
    assert all(len(pd.read_csv(plots / f"{name}.csv")) for name in TABLES)
    figures = {path.stem for path in plots.glob("*.png")}
    assert figures == {
        "cosines_city_layer_1", "cosines_tasks_layer_0", "lens_raw", "lens_gain", "lens_difference", "naive_by_layer",
        "natural", "norms", "related", "token_cosines_lora_prose", "token_cosines_lora_rows",
        "token_cosines_every_prose", "token_cosines_every_rows",
    }  # fmt: skip
    assert all((plots / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in figures)


def test_the_cosines_are_those_of_the_saved_vectors(folder: Path, made: Path) -> None:
    table = pd.read_csv(made / "plots" / "cosines.csv").set_index(["first", "second"])["cosine"]
    naive = load_direction(
        made / "out" / "naive" / "City_9.safetensors", load(folder).pin.fingerprint
    ).vectors[1]
    natural = load_direction(made / "out" / "natural" / "lora" / "prose" / "mean.safetensors").vectors[1]
    learned = load_vectors(folder / "vector" / "seed_1").directions["City 9"].vector
    names = {
        "naive · City 9": naive,
        "learned · City 9 · v/seed_1": learned,
        "natural · mean (prose) · lora": natural,
    }
    for place, (first, a) in enumerate(names.items()):
        for second, b in list(names.items())[place:]:
            assert table[first, second] == pytest.approx(
                a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=2e-6
            )


def test_naive_vectors_come_from_stems_that_differ(folder: Path, made: Path) -> None:
    stems = [Stem("is {name} here"), Stem("the {name}", chat=True)]
    expected = naive_directions(
        load(folder), [NamePair(CODES[0], "Rome")], stems, site="resid", layers=range(N_LAYERS)
    )
    found = load_direction(made / "out" / "naive" / "City_50337.safetensors")
    for layer in range(N_LAYERS):
        np.testing.assert_allclose(found.vectors[layer], expected[CODES[0]].vectors[layer], atol=1e-5)
    counts = json.loads((made / "m.json").read_text())
    assert (counts["codes"], counts["stems"], counts["stems_repeating"], counts["texts"]) == (2, 2, 1, 3)


def test_effects_are_adapters_that_evaluation_takes(made: Path) -> None:
    effects = {path.name for path in (made / "out" / "effects").iterdir()}
    layers = [("lora", 1), *(("every", layer) for layer in range(3))]
    assert effects == {
        f"{adapter}_{texts}_{variant}_layer_{layer}"
        for adapter, layer in layers
        for texts in ("prose", "rows")
        for variant in ("mean", "pca", "pca_centred")
    }
    effect = load_vectors(made / "out" / "effects" / "every_rows_pca_layer_2")
    assert (effect.info.scopes, effect.info.layers, effect.info.site) == ({"natural": "all"}, (2,), "mlp_out")
    natural = load_direction(made / "out" / "natural" / "every" / "rows" / "pca.safetensors").vectors[2]
    np.testing.assert_allclose(effect.directions["natural"].vector, natural, rtol=1e-6)


def test_numbers_are_flat_and_finite(made: Path) -> None:
    numbers = json.loads((made / "m.json").read_text())
    assert all(isinstance(value, int | float) and np.isfinite(value) for value in numbers.values())
    low, value, high = (numbers[f"city_naive_learned_cosine{end}"] for end in ("_lo", "", "_hi"))
    assert -1 <= low <= value <= high <= 1
    assert 0 < numbers["lora_prose_natural_explained"] <= 1
    lens = pd.read_csv(made / "plots" / "lens.csv", keep_default_na=False)
    assert set(lens["reading"]) == {"raw", "gain", "difference"}
    assert lens["rank"].max() == 3


def test_the_same_command_gives_the_same_bytes(
    folder: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.studies.oocr.vectors.figures.draw_all", lambda _tables, _folder: None)
    assert invoke(folder, tmp_path).exit_code == 0
    assert hash_folder(tmp_path / "out") == hash_folder(made / "out")
    for name in TABLES:
        assert (tmp_path / "plots" / f"{name}.csv").read_bytes() == (
            made / "plots" / f"{name}.csv"
        ).read_bytes()


def test_without_lora_there_are_no_natural_vectors(folder: Path, tmp_path: Path) -> None:
    words = {
        "model": folder / "model", "codes": folder / "codes.csv", "stems": folder / "stems.csv", "texts": folder / "text.txt",
        "adapters": f"v={folder / 'vector' / 'seed_0'}", "out": tmp_path / "out", "tables": tmp_path / "plots",
        "metrics": tmp_path / "m.json", "params": folder / "none.yaml",
    }  # fmt: skip
    result = CliRunner().invoke(
        app, [str(word) for name, value in words.items() for word in (f"--{name}", value)]
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"naive"}
    assert len(pd.read_csv(tmp_path / "plots" / "natural.csv")) == 0
    assert not (tmp_path / "plots" / "natural.png").exists()


BAD = {
    "holds no adapter": ("--adapters", "x={folder}/nowhere"),
    "two adapters have the same name": ("--adapters", "v={folder}/lora"),
    "no code of the kind 'food'": ("--adapters", "f:food={folder}/lora"),
    "two of --texts are called 'prose'": ("--texts", "prose={folder}/text.txt"),
    "no text file matches": ("--texts", "nowhere.txt"),
    "column adapter, word is missing": ("--related", "{folder}/codes.csv"),
    "no stem of the kind 'city'": ("--stems", "{folder}/other.csv"),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_leaves_the_earlier_results(message: str, folder: Path, tmp_path: Path) -> None:
    (folder / "other.csv").write_text("kind,template\nperson,{name}\n")
    (tmp_path / "m.json").write_text("earlier")
    option, value = BAD[message]
    result = invoke(folder, tmp_path, option, value.format(folder=folder))
    assert result.exit_code != 0
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"m.json"}
    assert (tmp_path / "m.json").read_text() == "earlier"
