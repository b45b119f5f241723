"""The stage of the index, on the committed plan and results, and its page in a real browser."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stages.index import app

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The index of a copy of this repository's plots."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(ROOT / "plots", folder / "plots")
    (folder / "plots/mine").mkdir()
    options = [
        "--plan",
        ROOT / "data/inputs/index.yaml",
        "--plots",
        folder / "plots",
        "--metrics",
        ROOT / "metrics",
    ]
    result = CliRunner().invoke(app, list(map(str, [*options, "--out", folder / "plots/index.html"])))
    assert result.exit_code == 0, result.exception
    return folder / "plots/index.html", result


def test_every_page_and_picture_is_linked(made):
    page, result = made
    html = page.read_text("utf-8")
    files = [p for ending in ("html", "png") for p in page.parent.rglob(f"*.{ending}") if p != page]
    assert len(files) > 20
    for path in files:
        assert f'href="{path.relative_to(page.parent).as_posix()}"' in html
    assert "left out: mine" in result.stderr
    assert "index.html: " in result.stdout


def test_a_second_run_is_the_same(made):
    """The index does not list itself."""
    page, _ = made
    options = [
        "--plan",
        ROOT / "data/inputs/index.yaml",
        "--plots",
        page.parent,
        "--metrics",
        ROOT / "metrics",
    ]
    before = page.read_bytes()
    assert CliRunner().invoke(app, list(map(str, [*options, "--out", page]))).exit_code == 0
    assert page.read_bytes() == before


def test_no_plots_is_one_clear_error(tmp_path):
    options = [
        "--plan",
        ROOT / "data/inputs/index.yaml",
        "--plots",
        tmp_path / "none",
        "--metrics",
        ROOT / "metrics",
    ]
    result = CliRunner().invoke(app, list(map(str, [*options, "--out", tmp_path / "index.html"])))
    assert result.exit_code == 1
    assert "is no folder" in str(result.exception)
    assert not (tmp_path / "index.html").exists()


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and chromedriver")
def test_pictures_show_and_the_page_fits_narrow_and_wide(made, tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        for width in (1600, 380):
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get(made[0].as_uri())
            assert driver.execute_script("return innerWidth") == width
            assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            assert driver.execute_script(
                "return document.images[0].complete && document.images[0].naturalWidth > 0"
            )
            assert driver.get_log("browser") == []
    finally:
        driver.quit()
