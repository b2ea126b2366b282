"""A picture of several digits on the page in exports/web: its boxes, its text, and each digit in full."""

import json
import re

import pytest
from page import DRAWINGS, GOLDEN, WIDE, draw, is_read, network_input, probabilities, shows, shows_nothing

PAGES = json.loads((GOLDEN / "pages.json").read_text())["pages"]
PAGE = next(page for page in PAGES if "ruled" in page["file"])
READINGS = PAGE["readings"]


def give(page, golden=PAGE):
    """Opens a golden page, and waits until it is read."""
    page.set_input_files("#file", GOLDEN / golden["file"])
    shows(page, "#message", re.compile(r": \d+ digits in \d+ lines?$"))


def lines_of(readings):
    found = {}
    for reading in readings:
        if not reading["refused"]:
            numbers = found.setdefault(reading["line"], {})
            numbers[reading["number"]] = numbers.get(reading["number"], "") + str(reading["digit"])
    return [" ".join(numbers.values()) for numbers in found.values()]


@pytest.mark.parametrize("golden", PAGES, ids=lambda golden: golden["file"])
def test_the_numbers_of_a_page_are_shown_line_by_line(page, golden):
    give(page, golden)
    assert page.locator("#text").inner_text().split("\n") == lines_of(golden["readings"])
    assert page.locator("#boxes button").count() == len(golden["readings"])


def test_a_box_is_where_its_digit_is_in_the_picture(page):
    give(page)
    pad = page.locator("#pad").bounding_box()
    width, height = page.evaluate(
        "async (bytes) => { const { width, height } = await createImageBitmap(new Blob([new Uint8Array(bytes)]));"
        " return [width, height]; }",
        list((GOLDEN / PAGE["file"]).read_bytes()),
    )
    scale = pad["width"] / max(width, height)
    for box, reading in zip(page.locator("#boxes button").all(), READINGS, strict=True):
        found, (left, top, right, bottom) = box.bounding_box(), reading["box"]
        assert abs(found["x"] - pad["x"] - scale * (left + (max(width, height) - width) / 2)) <= 2
        assert abs(found["y"] - pad["y"] - scale * (top + (max(width, height) - height) / 2)) <= 2
        assert abs(found["width"] - scale * (right - left)) <= 2
        assert abs(found["height"] - scale * (bottom - top)) <= 2


def test_each_digit_is_shown_in_full_when_its_box_is_pressed(page):
    give(page)
    for place, reading in enumerate(READINGS):
        page.locator("#boxes button").nth(place).click()
        shows(page, "#digit", str(reading["digit"]))
        assert abs(probabilities(page)[reading["digit"]] - reading["probability"]) < 1e-2
        assert network_input(page).max() == 255
        assert page.locator("#boxes button[aria-pressed=true]").count() == 1


def test_boxes_are_reached_and_pressed_by_keyboard_and_say_what_they_hold(page):
    give(page)
    box = page.locator("#boxes button").nth(2)
    box.focus()
    page.keyboard.press("Enter")
    shows(page, "#digit", str(READINGS[2]["digit"]))
    line, number, digit = (READINGS[2][name] for name in ("line", "number", "digit"))
    assert re.fullmatch(rf"Line {line}, number {number}: {digit}, \S+%", box.get_attribute("aria-label"))


def test_a_digit_of_a_page_can_be_corrected(page):
    give(page)
    page.locator("#boxes button").nth(1).click()
    shows(page, "#digit", str(READINGS[1]["digit"]))
    page.locator("#labels button").nth(3).click()
    shows(page, "#save", "Save my digits (1)")
    page.locator("#boxes button").nth(0).click()
    shows(page, "#digit", str(READINGS[0]["digit"]))
    assert page.locator("#labels button[aria-pressed=true]").count() == 0
    page.locator("#boxes button").nth(1).click()
    assert page.locator("#labels button[aria-pressed=true]").inner_text() == "3"
    assert page.locator("#boxes button").nth(1).inner_text() == "3 ✓"
    assert page.locator("#boxes button").nth(1).get_attribute("aria-label").endswith(", kept as 3")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#empty")
    shows(page, "#save", "Save my digits (0)")


def test_a_drawing_takes_the_place_of_a_page_and_undo_brings_it_back(page):
    give(page)
    page.keyboard.press("Escape")
    assert shows_nothing(page)
    assert page.locator("#boxes button").count() == 0
    shows(page, "#text", "")
    draw(page, DRAWINGS[1])
    is_read(page, 1)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    shows(page, "#message", re.compile("digits in"))
    assert page.locator("#boxes button").count() == len(READINGS)


def test_without_opencv_a_page_is_read_as_one_digit_and_says_so(open_page, site, log):
    page, complaints = open_page(**WIDE), len(log["complaints"])
    page.route(f"{site}opencv.js", lambda route: route.abort())
    page.set_input_files("#file", GOLDEN / PAGE["file"])
    shows(page, "#message", re.compile("^ruled.png; read as one digit, since the page could not be segmented"))
    assert page.locator("#boxes button").count() == 0
    page.context.close()
    del log["complaints"][complaints:]  # of what was kept from it
