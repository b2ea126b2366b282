"""The page in exports/web on screens of all kinds, and as a screen reader meets it."""

import re

import pytest
from page import DRAWINGS, PHONE, WIDE, choose, draw, is_read, png, shows
from playwright.sync_api import expect

SCREENS = {
    "wide": WIDE,
    "laptop": {"viewport": {"width": 1024, "height": 600}},
    "phone": PHONE,
    "phone, lying": {**PHONE, "viewport": {"width": 740, "height": 360}},
    "small phone, lying, with the browser's bars": {**PHONE, "viewport": {"width": 640, "height": 280}},
}
PARTS = ["#pad", "#undo", ".answer", "#input", "#bars .bar", "#labels", "#save", "#selftest"]


@pytest.fixture(params=SCREENS)
def screen(open_page, request):
    page = open_page(**SCREENS[request.param])
    yield page
    page.context.close()


def boxes(page):
    """Where the parts are in the document."""
    top = page.evaluate("scrollY")
    found = {part: page.locator(part).first.bounding_box() for part in PARTS}
    return {part: {**box, "y": box["y"] + top} for part, box in found.items()}


def test_pad_and_answer_are_on_the_screen_together_and_nothing_is_wider_than_it(screen):
    draw(screen, DRAWINGS[4])
    is_read(screen, 4)
    for part in ("#pad", "#undo", "#digit", "#verdict", "#input"):
        expect(screen.locator(part)).to_be_in_viewport(ratio=0.99)
    assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_moves_when_the_answer_appears_nor_when_it_is_kept(screen):
    before = boxes(screen)
    draw(screen, DRAWINGS[4])
    is_read(screen, 4)
    assert boxes(screen) == before
    screen.click("#right")
    assert boxes(screen) == before
    for verdict in ("loading the network …", "probably no digit", "not sure: 7 or 9"):
        screen.locator("#verdict").evaluate("(it, text) => { it.textContent = text; }", verdict)
        assert boxes(screen) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_and_kept_labels_are_seen_in_forced_colours(open_page, scheme):
    page = open_page(**{**WIDE, "color_scheme": scheme}, forced_colors="active")
    draw(page, DRAWINGS[1])
    is_read(page, 1)
    paper = "getComputedStyle(document.body).backgroundColor"
    bar = "getComputedStyle(document.querySelectorAll('#bars .bar')[{}], '::after').backgroundColor"
    stroke = "[...document.getElementById('pad').getContext('2d').getImageData(320, 320, 1, 1).data].slice(0, 3)"
    assert len({page.evaluate(paper), page.evaluate(bar.format(1)), page.evaluate(bar.format(7))}) == 3
    assert f"rgb({', '.join(map(str, page.evaluate(stroke)))})" != page.evaluate(paper)
    label = page.locator("#labels button").nth(1)
    plain = label.evaluate("it => getComputedStyle(it).backgroundColor")
    label.click()
    assert label.evaluate("it => getComputedStyle(it).backgroundColor") != plain
    page.context.close()


def test_a_screen_reader_meets_the_digit_before_its_percentage(page):
    draw(page, DRAWINGS[7])
    is_read(page, 7)
    bars = page.locator("#bars").aria_snapshot().splitlines()
    assert len(bars) == 11
    for digit, line in enumerate(bars[1:]):
        assert re.fullmatch(rf"  - listitem: [\"']?{digit}: [<>]?\d+\.\d%[\"']?", line)
    order = page.locator("#bars li").nth(7).evaluate("it => [...it.children].map((part) => part.className)")
    assert order.index("label") < order.index("percent")


def test_a_screen_reader_hears_what_is_on_the_canvases(page, few):
    pad, given = page.locator("#pad"), page.locator("#input")
    expect(pad).to_have_attribute("aria-label", "Pad to draw a digit on, empty")
    expect(given).to_have_attribute("aria-label", "The network's input: empty")
    draw(page, DRAWINGS[1])
    expect(pad).to_have_attribute("aria-label", "Pad, 1 stroke")
    expect(given).to_have_attribute("aria-label", "The network's input: 28 by 28 pixels, read as 1")
    draw(page, DRAWINGS[4])
    expect(pad).to_have_attribute("aria-label", "Pad, 3 strokes")
    choose(page, "seven.png", png(255 - few.images[0]))
    expect(pad).to_have_attribute("aria-label", "Pad with the picture seven.png")
    expect(given).to_have_attribute("aria-label", "The network's input: 28 by 28 pixels, read as 7")


def test_a_phone_has_a_camera_and_no_hints_of_keys_and_of_dropping(phone, page):
    expect(phone.locator(".keys")).to_be_hidden()
    expect(phone.locator(".camera")).to_be_visible()
    expect(page.locator(".keys")).to_be_visible()
    expect(page.locator(".camera")).to_be_hidden()
    camera = phone.locator("#camera")
    assert [camera.get_attribute(name) for name in ("accept", "capture")] == ["image/*", "environment"]


def test_a_photograph_taken_is_read(phone, few):
    content = png(255 - few.images[0])
    phone.set_input_files("#camera", {"name": "image.png", "mimeType": "image/png", "buffer": content})
    is_read(phone, few.labels[0])
    shows(phone, "#message", "image.png")


def test_nothing_was_complained_of(page, log):
    # The last test of this file, so that it speaks of all of them.
    assert log["complaints"] == []
