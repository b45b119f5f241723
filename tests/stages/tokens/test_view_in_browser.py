"""The page in a real browser: Chromium, headless, without a network."""

import re
import shutil
import time

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs Chromium and chromedriver (apt-get install chromium chromium-driver)",
)
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
]
TOKENS = 4000


@pytest.fixture(scope="module")
def page(study, run_stage, tmp_path_factory):
    """The page of 4,000 tokens of held-out documents, which hold a hostile script."""
    out = tmp_path_factory.mktemp("page") / "view.html"
    texts = tmp_path_factory.mktemp("text")
    lines = [path.read_text(encoding="utf-8") for path in sorted(study.texts.iterdir())]
    (texts / "long.txt").write_text("\n".join(lines), encoding="utf-8")
    assert (
        run_stage("tokens.view", *study.view_options(tokens=TOKENS, out=out, source=["--text", texts])) == 0
    )
    return out


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def tab(browser, page):
    browser.get(page.as_uri())
    return browser


def find(tab, selector):
    return tab.find_elements("css selector", selector)


def colours(tab):
    return tab.execute_script("return [...document.querySelectorAll('.t')].map(t => t.style.backgroundColor)")


def tip(tab):
    """The tip's text once it is shown."""
    for _ in range(50):
        if find(tab, "#tip:not([hidden])"):
            return find(tab, "#tip")[0].text
        time.sleep(0.02)
    raise AssertionError("the tip never appeared")


def test_every_token_is_there_and_coloured(tab):
    found = colours(tab)
    assert len(found) == TOKENS
    assert all(re.fullmatch(r"rgb\(255, \d+, \d+\)", colour) for colour in found)
    assert len(set(found)) > 20
    assert tab.get_log("browser") == []


def test_the_slider_changes_colours_and_the_accuracy(tab):
    from selenium.webdriver.common.keys import Keys

    slider = find(tab, "#layer")[0]
    assert (slider.get_attribute("value"), find(tab, "#layer-shown")[0].text) == ("1", "1")
    before, accuracy = colours(tab), find(tab, "#accuracy")[0].text
    slider.send_keys(Keys.ARROW_RIGHT)
    assert find(tab, "#layer-shown")[0].text == "2"
    after = colours(tab)
    assert sum(a != b for a, b in zip(before, after, strict=True)) > TOKENS / 2
    assert find(tab, "#accuracy")[0].text.startswith("Layer 2: balanced accuracy 0.")
    assert find(tab, "#accuracy")[0].text != accuracy
    assert slider.get_attribute("aria-valuetext") == "layer 2"
    slider.send_keys(Keys.ARROW_LEFT)
    assert colours(tab) == before


def test_hover_shows_the_exact_probability_and_the_truth(tab):
    from selenium.webdriver import ActionChains

    tokens = find(tab, ".t")
    truth = tab.execute_script(
        "return JSON.parse(document.getElementById('data').textContent).questions[0].truth"
    )
    index = truth.index("1")
    ActionChains(tab).move_to_element(tokens[index]).perform()
    text = tip(tab)
    shown = float(re.search(r"P\(next token is ' the'\): (\d\.\d{4}) \(layer 1\)", text)[1])
    assert "truth: yes" in text
    red, green, blue = map(
        int, re.findall(r"\d+", tokens[index].value_of_css_property("background-color"))[:3]
    )
    assert red == 255
    assert abs(green - (255 - 183 * shown)) <= 1.5
    assert abs(blue - (255 - 195 * shown)) <= 1.5
    assert tokens[index].text != tokens[index + 1].text
    assert tokens[index + 1].get_attribute("textContent") == " the"


def test_the_keyboard_reaches_every_token(tab):
    from selenium.webdriver.common.keys import Keys

    assert len(find(tab, ".t[tabindex='0']")) == 1
    find(tab, ".t[tabindex='0']")[0].send_keys(Keys.ARROW_RIGHT)
    focused = tab.switch_to.active_element
    assert focused.get_attribute("data-index") == "1"
    first = tip(tab)
    focused.send_keys(Keys.ARROW_DOWN)
    below = tab.switch_to.active_element
    assert int(below.get_attribute("data-index")) > 3
    assert below.rect["y"] > focused.rect["y"]
    assert tip(tab) != first
    below.send_keys(Keys.ARROW_UP)
    assert tab.switch_to.active_element.rect["y"] == focused.rect["y"]
    tab.switch_to.active_element.send_keys(Keys.END)
    last = tab.switch_to.active_element
    assert last.get_attribute("data-index") == str(TOKENS - 1)
    assert "not known" in tip(tab)
    last.send_keys("]")
    assert "layer 2" in tip(tab)
    last.send_keys(Keys.ESCAPE)
    assert find(tab, "#tip[hidden]")


def test_the_other_question_has_its_own_colours_and_truth(tab):
    before, underlined = colours(tab), [t.text for t in find(tab, ".t.true")[:5]]
    find(tab, "input[name=variant]")[1].click()
    assert colours(tab) != before
    assert {t.get_attribute("textContent") for t in find(tab, ".t.true")} == {" the"}
    assert underlined != [" the"] * 5


def test_a_script_in_the_text_is_text(tab):
    assert "know where" in find(tab, "h1")[0].text
    assert tab.title != "owned"
    assert find(tab, "main script") == find(tab, "main b") == []
    assert '</span></script><script>document.title = "owned"</script> <b>sat</b>' in find(tab, "main")[
        0
    ].get_attribute("textContent")


def test_dark_text_is_readable_on_every_colour(tab):
    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    reddest = tab.execute_script("return colours[255]")
    ink = find(tab, ".t")[0].value_of_css_property("color")
    light, dark = (luminance([int(n) for n in re.findall(r"\d+", colour)[:3]]) for colour in (reddest, ink))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_page_asks_for_nothing_else(tab):
    assert tab.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert tab.execute_script("return document.documentElement.scrollWidth <= innerWidth")
