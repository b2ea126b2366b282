"""Makes docs/page-*.png: the web page with the shipped model, in the Chromium that is installed.

In the root of the project: .venv/bin/python -m scripts.screenshots
"""

from pathlib import Path

import numpy as np
from playwright.sync_api import Page
from scipy.interpolate import make_interp_spline

from scripts.page import built, opened

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = Path(__file__).parents[1] / "exports" / "golden" / "pages" / "ruled.png"
SEVEN = [[(0.3, 0.2), (0.5, 0.21), (0.7, 0.2)], [(0.7, 0.2), (0.55, 0.5), (0.45, 0.8)]]
PHONE = {
    "viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2,
    "color_scheme": "dark",
}  # fmt: skip
WIDE = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}


def draw(page: Page, strokes: list) -> None:
    """Draws smooth strokes on the pad."""
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


def read_page(page: Page, picture: Path, digit: int) -> None:
    """Opens a picture of several digits, and selects one of them, counted from 0."""
    page.set_input_files("#file", picture)
    page.locator("#boxes button").nth(digit).click(timeout=60_000)


def save(page: Page, name: str) -> None:
    """Saves the whole page."""
    page.wait_for_timeout(500)
    # Not with full_page, which treats a phone's screen as one without touch.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.evaluate("innerWidth"), "height": height})
    page.mouse.move(1, 1)  # off the pad and the buttons
    page.screenshot(path=DOCS / name)
    page.context.close()


def main() -> None:
    with built() as (browser, site):
        for name, options, digit in (("page-wide.png", WIDE, 5), ("page-photograph-phone.png", PHONE, 0)):
            page = opened(browser, site, **options)
            read_page(page, PICTURE, digit)
            save(page, name)
        page = opened(browser, site, **PHONE)
        draw(page, SEVEN)
        save(page, "page-phone.png")


if __name__ == "__main__":
    main()
