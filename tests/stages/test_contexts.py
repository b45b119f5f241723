"""The contexts stage from the command line, and its page in headless Chromium."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.toy_adapters import save_toy_vectors
from support.toy_models import D_MODEL, save
from support.toy_tokenizers import gemma3
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.interventions.direction import Direction, DirectionInfo, save_direction
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from stages.contexts import app

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
HOSTILE = 'the cat </span></script><script>document.title = "owned"</script> <b>sat</b> on the mat'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contexts")
    save(folder / "model", "gemma3_text", gemma3())
    loaded = load(folder)
    rng = np.random.default_rng(0)
    vectors = {layer: rng.normal(size=D_MODEL) for layer in (0, 2)}
    info = DirectionInfo(loaded.pin.fingerprint, "resid", "test", {}, "t")
    save_direction(folder / "d.safetensors", Direction(vectors, info))
    save_toy_vectors(folder / "vectors", loaded, 1, ("a", "b"))
    (folder / "texts").mkdir()
    for number in range(6):
        words = " ".join(rng.choice(["the", "cat", "dog", "Rome", "🙂", HOSTILE], 40))
        (folder / "texts" / f"{number}.txt").write_text(words, encoding="utf-8")
    return folder


def load(folder: Path) -> LoadedModel:
    return load_model(make_pin(ModelEntry("model", str(folder / "model"))))


def invoke(folder: Path, out: Path, **options: str) -> Result:
    words = {
        "model": str(folder / "model"), "direction": str(folder / "d.safetensors"), "layer": "2", "source": "file",
        "path": str(folder / "texts"), "out": str(out / "page.html"), "table": str(out / "contexts.csv"),
        "scatter": str(out / "scatter.csv"), "metrics": str(out / "m.json"), "context": "40", "top": "4", "around": "30",
        "sample": "100", "params": str(folder / "none.yaml"),
    } | options  # fmt: skip
    flat = [w for name, value in words.items() if value for w in (f"--{name.replace('_', '-')}", value)]
    return CliRunner().invoke(app, flat)


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    result = invoke(folder, out)
    assert result.exit_code == 0, result.output
    return out


def test_the_table_lists_both_ends(made: Path) -> None:
    rows = list(csv.DictReader((made / "contexts.csv").open()))
    assert [(row["end"], row["rank"]) for row in rows] == [
        (e, str(r)) for e in ("top", "bottom") for r in (1, 2, 3, 4)
    ]
    values = [float(row["projection"]) for row in rows]
    assert values[:4] == sorted(values[:4], reverse=True)
    assert values[4:] == sorted(values[4:])
    assert min(values[:4]) > max(values[4:])
    for row in rows:
        text = Path(row["document"]).read_text(encoding="utf-8")
        assert row["before"] + row["text"] + row["after"] in text
        assert abs(float(row["projection"])) <= float(row["norm"])


def test_every_token_is_counted_once(folder: Path, made: Path) -> None:
    tokenizer = load(folder).tokenizer
    texts = [path.read_text(encoding="utf-8") for path in (folder / "texts").iterdir()]
    n_tokens = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    counts = json.loads((made / "m.json").read_text())
    assert counts["documents"] == 6
    n_windows = counts["tokens_left_out"] / 2  # BOS and the first token of each
    assert counts["tokens"] + n_windows == pytest.approx(n_tokens, abs=6)  # a cut may join or split a token
    sample = list(csv.DictReader((made / "scatter.csv").open()))
    assert len(sample) == 100
    assert (made / "scatter.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_command_gives_the_same_bytes(folder: Path, made: Path, tmp_path: Path) -> None:
    assert invoke(folder, tmp_path, token_budget="60").exit_code == 0
    for name in ("contexts.csv", "m.json", "scatter.png", "page.html"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_a_trained_vector_is_a_direction_at_its_own_layer(folder: Path, tmp_path: Path) -> None:
    assert invoke(folder, tmp_path, direction=str(folder / "vectors"), name="b", layer="").exit_code == 0
    assert "mlp_out, layer 1" in (tmp_path / "page.html").read_text()
    assert invoke(folder, tmp_path, direction=str(folder / "vectors"), name="b", site="resid").exit_code != 0
    result = invoke(folder, tmp_path, direction=str(folder / "vectors"), name="b", layer="-2", site="resid")
    assert result.exit_code == 0
    assert "resid, layer 1" in (tmp_path / "page.html").read_text()


BAD = {
    "holds several vectors": {"direction": "vectors", "layer": ""},
    "holds no vector 'c'": {"direction": "vectors", "name": "c"},
    "--name chooses among": {"name": "a"},
    "choose one with --layer": {"layer": ""},
    "no vector of layer 1": {"layer": "1"},
    "does not exist": {"direction": "nowhere.safetensors"},
    "no text file matches": {"path": "nowhere"},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_leaves_the_earlier_page(message: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("earlier")
    options = dict(BAD[message])
    if "direction" in options:
        options["direction"] = str(folder / options["direction"])
    result = invoke(folder, tmp_path, **options)
    assert result.exit_code != 0
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"page.html"}
    assert (tmp_path / "page.html").read_text() == "earlier"


@pytest.fixture(scope="module")
def tab(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs Chromium and chromedriver (apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--window-size=1200,900",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get((made / "page.html").as_uri())
    yield driver
    driver.quit()


def test_tokens_are_coloured_by_their_projection(tab: Any) -> None:
    assert tab.get_log("browser") == []
    tokens = tab.execute_script(
        "return [...document.querySelectorAll('.t')].map(t => [Number(t.title), getComputedStyle(t).backgroundColor])"
    )
    middle = float(re.search(r"no colour: (\S+),", tab.find_element("css selector", ".note").text)[1])  # type: ignore[index]
    rgb = [[int(n) for n in re.findall(r"\d+", colour)[:3]] for _, colour in tokens]
    assert len({tuple(colour) for colour in rgb}) > 10
    for (value, _), (red, _, blue) in zip(tokens, rgb, strict=True):
        if abs(value - middle) > 0.1 * abs(middle) + 0.2:
            assert (red > blue) == (value > middle)
    centres = tab.find_elements("css selector", ".centre")
    assert len(centres) == 8


def test_a_script_in_the_text_is_text(tab: Any) -> None:
    assert tab.title != "owned"
    assert tab.find_elements("css selector", "main script, .context b") == []
    assert "<script>" in tab.find_element("css selector", "main").get_attribute("textContent")


def test_the_page_asks_for_nothing_and_fits(tab: Any) -> None:
    assert tab.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert tab.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_every_colour(tab: Any, scheme: str) -> None:
    def luminance(colour: str) -> float:
        rgb = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tab.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    ink = luminance(tab.find_element("css selector", ".t").value_of_css_property("color"))
    assert (ink > 0.5) == (scheme == "dark")
    for shade in (-100, 0, 100):
        dim, bright = sorted([ink, luminance(tab.execute_script(f"return colour({shade})"))])
        assert (bright + 0.05) / (dim + 0.05) >= 4.5
    painted = tab.execute_script("return document.querySelector('.centre').style.backgroundColor")
    assert (luminance(painted) < 0.2) == (scheme == "dark")  # the tokens follow while the page is open
    tab.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_arrows_move_from_context_to_context(tab: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    first, second = tab.find_elements("css selector", "li")[:2]
    first.send_keys(Keys.ARROW_DOWN)
    assert tab.switch_to.active_element == second
    second.send_keys(Keys.HOME)
    assert tab.switch_to.active_element == first
    assert len(tab.find_elements("css selector", "li[tabindex='0']")) == 1


def test_the_first_characters_of_each_document_are_enough(folder: Path, tmp_path: Path) -> None:
    done = invoke(folder, tmp_path, characters="30")
    assert done.exit_code == 0, done.output
    counts = json.loads((tmp_path / "m.json").read_text())
    lengths = [len(path.read_text("utf-8")) for path in (folder / "texts").iterdir()]
    assert counts["characters_cut"] == sum(lengths) - 30 * len(lengths)
    assert counts["tokens"] < 30 * len(lengths)
