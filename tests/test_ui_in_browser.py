"""The page of `jaxanon ui` in Chromium: from a photo to the download, and accessibility."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect
from test_page_in_browser import chromium  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]
LONG = 180_000


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page, served by a process of its own; it leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "TMPDIR": str(tmp_path_factory.mktemp("tmp"))}
    words = [sys.executable, "-m", "jaxanon", "ui", "--port", str(port)]
    others = set(Path("/dev/shm").glob("jaxanon-ui-*"))
    run = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)
    line = run.stdout.readline()
    assert f"http://127.0.0.1:{port}" in line
    before = set(Path("/dev/shm").glob("jaxanon-ui-*")) - others
    yield f"http://127.0.0.1:{port}"
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert before
    assert not [folder for folder in before if folder.exists()]


@pytest.fixture
def tab(chromium, address):  # noqa: F811
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    found = context.new_page()
    asked = []
    found.on("request", lambda request: asked.append(request.url))
    found.goto(address)
    found.get_by_role("button", name="Hide and adapt").wait_for(timeout=LONG)
    yield found
    context.close()
    assert {url for url in asked if not url.startswith((address, "data:", "blob:", "ws:"))} == set()


def test_from_a_photo_to_the_download(tab, tmp_path):
    from jaxanon.io.packaged import demo_photos

    tab.locator("input[type=file]").first.set_input_files(demo_photos()[0][0])
    tab.get_by_label("fast", exact=True).check()
    tab.get_by_role("button", name="Hide and adapt").click()
    figures = tab.get_by_text("after", exact=False).filter(has_text="gradient steps")
    figures.first.wait_for(timeout=LONG)
    expect(tab.get_by_text("tf_efficientnet_lite2.in1k").first).to_be_visible()
    with tab.expect_download(timeout=LONG) as waiting:
        tab.get_by_role("button", name=re.compile("Download the adapted")).click()
    waiting.value.save_as(tmp_path / "adapted.png")
    with Image.open(tmp_path / "adapted.png") as image:
        assert (image.format, image.size) == ("PNG", (512, 512))
    assert faults(tab) == []


def test_without_a_photo_it_says_so(tab):
    tab.get_by_role("button", name="Hide and adapt").click()
    tab.get_by_text("Choose a photo first").first.wait_for(timeout=LONG)


def test_accessible(tab):
    assert faults(tab) == []


def faults(tab):
    """What is serious by the rules of accessibility."""
    found = Axe().run(tab).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in serious]
