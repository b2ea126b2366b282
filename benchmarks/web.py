"""The page in exports/web with either model: download size, time to the first prediction, time per stroke.

It is built anew and driven in the Chromium that is installed, served from this machine, so the
times hold no network. An answer counts as there when the page's own text says it; the screen
shows it up to one frame later.
"""

import gzip
import platform
import statistics
import subprocess

import numpy as np
from playwright.sync_api import Browser

from scripts.page import WEB, built, opened

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
    """Prints the figures of the page that is built with these arguments."""
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
