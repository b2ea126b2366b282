"""Makes docs/page-wide.png and docs/page-phone.png: the page with the shipped model, in the Chromium that is installed.

In the root of the project: .venv/bin/python -m scripts.screenshots
"""

from pathlib import Path

import numpy as np
from playwright.sync_api import Browser
from scipy.interpolate import make_interp_spline

from scripts.page import built, opened

DOCS = Path(__file__).parents[1] / "docs"
FIVE = [
    [(0.68, 0.18), (0.55, 0.2), (0.41, 0.2)],
    [(0.41, 0.2), (0.39, 0.33), (0.37, 0.46)],
    [(0.37, 0.46), (0.5, 0.41), (0.63, 0.46), (0.7, 0.61), (0.64, 0.75), (0.5, 0.82), (0.38, 0.8), (0.29, 0.74)],
]
SEVEN = [[(0.3, 0.2), (0.5, 0.21), (0.7, 0.2)], [(0.7, 0.2), (0.55, 0.5), (0.45, 0.8)]]
PHONE = {
    "viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2,
    "color_scheme": "dark",
}  # fmt: skip
WIDE = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}


def screenshot(browser: Browser, site: str, name: str, options: dict, strokes: list, *, test: bool) -> None:
    """Draws a digit, lets the page test itself where asked, and saves the whole page."""
    page = opened(browser, site, **options)
    pad = page.locator("#pad").bounding_box()
    assert pad
    for stroke in strokes:
        curve = make_interp_spline(range(len(stroke)), stroke, k=2)(np.linspace(0, len(stroke) - 1, 40))
        places = [(pad["x"] + x * pad["width"], pad["y"] + y * pad["height"]) for x, y in curve]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
    if test:
        page.click("#selftest")
        page.get_by_text("golden pictures").wait_for()
    # Not by full_page, which takes a phone's screen for one without touch.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.evaluate("innerWidth"), "height": height})
    page.mouse.move(1, 1)  # off the pad and the buttons
    page.screenshot(path=DOCS / name)
    page.context.close()


def main() -> None:
    with built() as (browser, site):
        screenshot(browser, site, "page-wide.png", WIDE, FIVE, test=True)
        screenshot(browser, site, "page-phone.png", PHONE, SEVEN, test=False)


if __name__ == "__main__":
    main()
