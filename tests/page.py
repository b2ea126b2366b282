"""The page in exports/web, built with npm and node and opened in a real Chromium: fixtures, and what a user does."""

import io
import math
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from scripts.page import CHROMIUM, WEB, served

EXPORTS = Path(__file__).parents[1] / "exports"
GOLDEN = EXPORTS / "golden"
WIDE = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def arc(x, y, width, height, begin, end):
    """Points on an ellipse, from one angle to another: 0 is right, 90 is down."""
    angles = np.radians(np.linspace(begin, end, 15))
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


DRAWINGS = {
    0: [arc(0.5, 0.5, 0.2, 0.3, -90, 270)],
    1: [[(0.52, 0.2), (0.48, 0.8)]],
    2: [[*arc(0.5, 0.38, 0.18, 0.18, -170, 40), (0.34, 0.8), (0.7, 0.8)]],
    3: [arc(0.48, 0.35, 0.17, 0.15, -150, 90) + arc(0.48, 0.65, 0.19, 0.15, -90, 150)],
    4: [[(0.4, 0.2), (0.3, 0.55), (0.72, 0.55)], [(0.62, 0.25), (0.6, 0.82)]],
    5: [[(0.66, 0.2), (0.4, 0.2), (0.37, 0.47), *arc(0.47, 0.63, 0.19, 0.18, -110, 140)]],
    6: [[(0.6, 0.18), (0.42, 0.4), *arc(0.5, 0.65, 0.16, 0.16, -200, -540)]],
    7: [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.8)]],
    8: [arc(0.5, 0.35, 0.14, 0.15, 90, -270) + arc(0.5, 0.65, 0.16, 0.15, -90, 270)],
    9: [[*arc(0.49, 0.36, 0.15, 0.15, 0, -360), (0.62, 0.82)]],
}


@contextmanager
def one_worker():
    """Keeps the other workers' tests out of exports/web and node, where each of them builds the page or installs."""
    try:
        import fcntl
    except ModuleNotFoundError:  # on Windows, where one worker has to do
        yield
        return
    with (WEB / "build.mjs").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install_packages(install, npm, folder):
    """Installs the npm packages of a folder, where they are older than its lock."""
    installed, wanted = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        install(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


@pytest.fixture(scope="session")
def node(need, install):
    """Node, with the packages of the examples in exports/node installed."""
    found, npm = (need("Node.js 20 or newer: nodejs.org", name) for name in ("node", "npm"))
    with one_worker():
        install_packages(install, npm, EXPORTS / "node")
    return found


@pytest.fixture(scope="session")
def site(need, install, tmp_path_factory):
    """The page's address, built, and served from a copy of this worker's own."""
    npm, node = (need("Node.js 20 or newer: nodejs.org", name) for name in ("npm", "node"))
    copy = tmp_path_factory.mktemp("site")
    with one_worker():
        install_packages(install, npm, WEB)
        subprocess.run([node, "build.mjs"], cwd=WEB, check=True)
        shutil.copytree(WEB / "dist", copy, dirs_exist_ok=True)
    with served(copy) as address:
        yield address


@pytest.fixture(scope="session")
def browser(need):
    chromium = need("apt-get install chromium", "chromium", "google-chrome")
    expect.set_options(timeout=30_000)  # a busy machine is no fault of the page
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=CHROMIUM) as it:
        yield it


@pytest.fixture(scope="session")
def log():
    """The errors and requests of the browser, over all tests."""
    return {"complaints": [], "requests": []}


@pytest.fixture(scope="session")
def open_page(site, browser, log):
    """Opens the page in a context of its own and waits for the network."""

    def opened(**options):
        page = browser.new_context(**options).new_page()
        page.on("console", lambda message: log["complaints"].append(message.text))
        page.on("pageerror", lambda error: log["complaints"].append(str(error)))
        page.on("request", lambda request: log["requests"].append(request.url))
        page.goto(site)
        page.locator("#selftest:enabled").wait_for()
        return page

    return opened


@pytest.fixture(scope="session")
def wide(open_page):
    return open_page(**WIDE, permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture
def page(wide):
    wide.keyboard.press("Escape")
    expect(wide.locator("#hint")).to_be_visible()
    return wide


@pytest.fixture
def fresh(open_page):
    """A page with no history."""
    page = open_page(**WIDE)
    yield page
    page.context.close()


@pytest.fixture
def phone(open_page):
    page = open_page(**PHONE)
    yield page
    page.context.close()


def shows(page, selector, text):
    """Waits until the text of an element is this, or matches it."""
    expect(page.locator(selector)).to_have_text(text)


def draw(page, strokes, finish=True):
    pad = page.locator("#pad").bounding_box()
    for stroke in strokes:
        points = [(pad["x"] + x * pad["width"], pad["y"] + y * pad["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        if finish:
            page.mouse.up()


def inked(page, x, y):
    """Whether there is ink on the pad at this place, 0..1 of its sides."""
    script = """([x, y]) => {
        const copy = new OffscreenCanvas(640, 640).getContext('2d');
        copy.drawImage(document.getElementById('pad'), 0, 0);
        return copy.getImageData(640 * x, 640 * y, 1, 1).data[3] > 0;
    }"""
    return page.evaluate(script, [x, y])


def is_read(page, digit):
    """Waits until the digit is read, and its stroke has ended."""
    shows(page, "#spoken", re.compile(f"^{digit}, "))


def network_input(page):
    """The pixels that the page shows as the input of the network, uint8 [28, 28]."""
    pixels = page.evaluate(
        "Array.from(document.getElementById('input').getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    return np.array(pixels, np.uint8).reshape(28, 28, 4)[..., 0]


def probabilities(page):
    values = page.locator("#bars li").evaluate_all("bars => bars.map((bar) => bar.dataset.probability)")
    return np.array([float(value or "nan") for value in values])


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG")
    return content.getvalue()


def choose(page, name, content, kind="image/png"):
    """Gives the page a file, and waits until it speaks of it."""
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
    shows(page, "#message", re.compile(f"^{re.escape(name)}"))


def drop(page, name, content):
    transfer = page.evaluate_handle(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name));
            return transfer;
        }""",
        [name, list(content)],
    )
    page.dispatch_event("#pad", "drop", {"dataTransfer": transfer})
    shows(page, "#message", re.compile(f"^{re.escape(name)}"))


def shows_nothing(page):
    shows(page, "#digit", "")
    shows(page, "#verdict", "")
    return bool(np.isnan(probabilities(page)).all() and not network_input(page).any())
