"""The page of a run in Chromium: by mouse, by keyboard alone, and by the rules of accessibility."""

import shutil

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from samples import picture
from test_page import RUN, row

from jaxanon.pipeline.page import contents_of
from jaxanon.pipeline.page import page as html_of
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.thumbnails import Thumbnails

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


def thumbnails(number):
    seen = picture(number, 90, 120)
    record = Record(f"{number}.png", None, "kept")
    made = Thumbnails.of(record, seen, np.clip(seen, 8, 240), {})
    words = {"reference": f"llama {number}", "anonymized": "fountain"}
    return Thumbnails(
        made.key,
        made.pictures,
        {
            "a": {**words, "adapted": f"llama {number}"},
            "b": {**words, "adapted": "fountain" if number % 2 else f"llama {number}"},
        },
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page of six images, one partly and one failed."""
    rows = [row(i, adapted=1 - i % 2, status="partly" if i == 4 else "kept") for i in range(6)]
    rows[3]["linf"] = 9
    rows.append(row(6, status="failed", decisions={}, error="6.png: no picture"))
    shown = {f"{i}.png": thumbnails(i) for i in range(6)}
    run = {**RUN, "timing": {"host_seconds": {"compile": 3.0, "read and anonymize": 1.5}}}
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(html_of(contents_of(run, rows, shown)))
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        where = shutil.which("chromium")
        assert where, "Debian's package chromium is not installed"
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium, file):
    """The page, opened; nothing may go wrong in it, and nothing be asked of the network."""
    context = chromium.new_context()
    found = context.new_page()
    errors, asked = [], []
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("console", lambda message: message.type == "error" and errors.append(message.text))
    found.on("request", lambda request: asked.append(request.url))
    found.goto(file)
    yield found
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []


def names(tab):
    return [each.inner_text() for each in tab.locator("#pictures > li:visible h3").all()]


def test_the_gallery_is_filtered_and_sorted(tab):
    everything = [f"{i}.png" for i in range(6)]
    assert names(tab) == everything
    tab.get_by_label("Status").select_option("partly")
    assert names(tab) == ["4.png"]
    assert tab.locator("#shown").inner_text() == "1 shown"
    tab.get_by_label("Status").select_option("all")
    tab.get_by_label("a decision differs").check()
    assert names(tab) == ["1.png", "3.png", "5.png"]
    tab.get_by_label("a decision differs").uncheck()
    tab.get_by_label("Name or class").fill("LLAMA 2")
    assert names(tab) == ["2.png"]
    tab.get_by_label("Name or class").fill("")
    tab.get_by_label("Order").select_option("largest change first")
    assert names(tab)[0] == "3.png"
    tab.get_by_label("Order").select_option("of the run")
    assert names(tab) == everything


def test_an_image_opens_and_closes(tab):
    tab.get_by_role("button", name="Enlarge 2.png").click()
    large = tab.get_by_role("dialog")
    assert large.is_visible()
    assert large.locator("img").count() == 3
    assert large.locator("img").first.evaluate("image => image.naturalWidth") == 120
    large.get_by_role("button", name="Close").click()
    assert not tab.locator("dialog").is_visible()


def test_the_keyboard_alone_is_enough(tab):
    press = tab.keyboard.press
    press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    press("Tab")
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    press("Enter")  # light
    press("Enter")  # dark
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    for _ in range(30):
        press("Tab")
        if tab.evaluate("document.activeElement.className") == "open":
            break
    press("Enter")
    assert tab.locator("dialog").is_visible()
    press("Escape")
    assert not tab.locator("dialog").is_visible()
    assert tab.evaluate("document.activeElement.className") == "open", "where one was before"


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(tab, width, scheme):
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for opened in (False, True):
        if opened:
            tab.get_by_role("button", name="Enlarge 2.png").click()
        found = Axe().run(tab).response["violations"]
        grave = [each for each in found if each["impact"] in ("serious", "critical")]
        assert grave == []
