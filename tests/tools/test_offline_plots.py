"""`dvc plots show` pages draw in a real browser that reaches no network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.toy_repository import PROJECT, Repository

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
    "--dump-dom",
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, toy_template: Repository) -> Repository:
    toy = toy_template.copy(tmp_path_factory.mktemp("plots") / "toy")
    target = toy.path / ".dvc/plots/vega.js"
    Repository(PROJECT, toy.env).run(sys.executable, "-m", "tools.offline_plots", "--out", str(target))
    toy.dvc("plots", "show")
    return toy


def rendered(page: Path, profile: Path) -> str:
    """The page's DOM after its scripts ran."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    no_network = "--host-resolver-rules=MAP * ~NOTFOUND"
    command = [CHROMIUM, *FLAGS, no_network, f"--user-data-dir={profile}", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_page_names_no_host(toy: Repository) -> None:
    text = (toy.path / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "vegaEmbed(" in text
    assert 'src="http' not in text
    assert "jsdelivr" not in text


def test_the_plot_is_drawn(toy: Repository, tmp_path: Path) -> None:
    page = rendered(toy.path / "dvc_plots/index.html", tmp_path / "profile")
    assert 'class="marks"' in page  # the canvas or svg that vega draws into


def test_a_copied_folder_draws_too(toy: Repository, tmp_path: Path) -> None:
    folder = shutil.copytree(toy.path / "dvc_plots", tmp_path / "elsewhere/plots")
    shutil.copy(toy.path / ".dvc/plots/vega.js", folder)
    assert 'class="marks"' in rendered(folder / "index.html", tmp_path / "profile")


def test_without_the_script_the_page_says_what_to_do(toy: Repository, tmp_path: Path) -> None:
    folder = shutil.copytree(toy.path / "dvc_plots", tmp_path / "elsewhere/plots")
    page = rendered(folder / "index.html", tmp_path / "profile")
    assert re.search(
        r'id="[^"]+">[^<]*<script[^>]*>[^<]*</script>\s*vega.js was not found. Run `make plots`', page
    )
    assert 'class="marks"' not in page
