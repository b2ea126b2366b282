"""What the page in exports/web weighs, how soon it can answer, and how fast it follows the pen, with either model.

It is built anew and driven in the Chromium that is installed, served from this machine, so the
times hold no network. An answer counts as there when the page's own text says it; the screen
shows it up to one frame later.
"""

import functools
import gzip
import platform
import shutil
import statistics
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

WEB = Path(__file__).parents[1] / "exports" / "web"
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LOADS = 5
MOVES = 50
STROKE = [(0.3 + 0.4 * step / 12, 0.2) for step in range(13)] + [
    (0.7 - 0.3 * step / MOVES, 0.2 + 0.6 * step / MOVES) for step in range(1, MOVES + 1)
]
WATCH = """() => {
    window.delays = [];
    let began = null;
    document.addEventListener('pointermove', (event) => { began ??= event.timeStamp; }, { capture: true });
    new MutationObserver(() => {
        if (began !== null) window.delays.push(performance.now() - began);
        began = null;
    }).observe(document.getElementById('bars'), { subtree: true, attributes: true, childList: true });
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def built(*words: str) -> Iterator[tuple[Browser, str]]:
    """Builds the page with what build.mjs is given, serves it, and starts a browser for it."""
    subprocess.run(["node", "build.mjs", *words], cwd=WEB, check=True, stdout=subprocess.DEVNULL)
    with (
        served(WEB / "dist") as site,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM) as browser,
    ):
        yield browser, site


def opened(browser: Browser, site: str, **options: Any) -> Page:
    """Opens the page with nothing in any cache, and waits until it can answer."""
    page = browser.new_context(**options).new_page()
    page.goto(site)
    page.locator("#selftest:enabled").wait_for()
    return page


def print_weights(browser: Browser, site: str) -> None:
    page = browser.new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site)
    page.locator("#selftest:enabled").wait_for()
    page.context.close()
    files = [WEB / "dist" / (url.removeprefix(site) or "index.html") for url in asked if url.startswith(site)]
    weights = {file.name: (file.stat().st_size, len(gzip.compress(file.read_bytes()))) for file in files}
    for name, weight in [*weights.items(), ("in all", np.sum(list(weights.values()), axis=0))]:
        print(f"  {name:28} {weight[0]:>10,} bytes, gzipped {weight[1]:>9,}")


def seconds_to_ready(browser: Browser, site: str) -> float:
    page = opened(browser, site)
    seconds = page.evaluate("performance.getEntriesByName('ready')[0].startTime / 1000")
    page.context.close()
    return seconds


def answer_delays(browser: Browser, site: str) -> list[float]:
    """Milliseconds from each movement of the pen to its answer."""
    page = opened(browser, site)
    pad = page.locator("#pad").bounding_box()
    assert pad
    points = [(pad["x"] + x * pad["width"], pad["y"] + y * pad["height"]) for x, y in STROKE]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:-MOVES]:
        page.mouse.move(*point)
    page.evaluate(WATCH)
    for point in points[-MOVES:]:
        page.mouse.move(*point)
        page.wait_for_timeout(60)  # several frames
    delays = page.evaluate("window.delays")
    page.context.close()
    return delays


def measure(words: tuple[str, ...]) -> None:
    """Prints what the page takes that is built with these words."""
    with built(*words) as (browser, site):
        page = opened(browser, site)
        print(f"Chromium {browser.version}, {page.locator('#model').inner_text()}, {platform.machine()}")
        page.context.close()
        print_weights(browser, site)
        ready = statistics.median(seconds_to_ready(browser, site) for _ in range(LOADS))
        print(f"from navigation to ready {ready:.2f} s (median of {LOADS} loads with empty caches)")
        delays = answer_delays(browser, site)
    print(
        f"from pen to answer {statistics.median(delays):.0f} ms, "
        f"95th percentile {np.percentile(delays, 95):.0f} ms (of {len(delays)} movements)"
    )


def main() -> None:
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=WEB, check=True)
    for words in ("../digits-tiny.onnx", "../golden-tiny"), ():
        measure(words)
