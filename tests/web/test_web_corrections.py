"""The page in exports/web: digits kept with their labels, and saved as a folder to train on."""

import io
import re
import zipfile

import numpy as np
import pytest
from page import DRAWINGS, EXPORTS, choose, draw, is_read, network_input, png, shows, shows_nothing
from PIL import Image
from playwright.sync_api import expect

from flaxdigits import load
from flaxdigits.inference.recognizer import Recognizer


def label(page, digit):
    return page.locator("#labels button").nth(digit)


def keep(page, drawn, digit):
    """Draws one digit and says that it is another."""
    page.keyboard.press("Escape")
    shows(page, "#spoken", "")
    draw(page, DRAWINGS[drawn])
    is_read(page, drawn)
    label(page, digit).click()


def saved(page):
    """The zip that the page gives to save."""
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "my-digits.zip"
    return zipfile.ZipFile(download.value.path())


def asks(page):
    """Whether the page asks before one leaves it."""
    return page.evaluate("!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))")


def test_there_is_nothing_to_keep_without_a_digit(fresh):
    assert shows_nothing(fresh)
    buttons = fresh.locator("#labels button, #right, #save, #empty")
    assert buttons.count() == 13
    assert not any(buttons.nth(number).is_enabled() for number in range(13))


def test_a_digit_is_kept_as_what_it_is_said_to_be(fresh):
    keep(fresh, 7, 1)
    shows(fresh, "#save", "Save my digits (1)")
    assert label(fresh, 1).get_attribute("aria-pressed") == "true"
    assert fresh.locator("#right").get_attribute("aria-pressed") == "false"
    shows(fresh, "#digit", "7")  # the network's answer stays


def test_a_right_answer_can_be_kept_too(fresh):
    draw(fresh, DRAWINGS[7])
    is_read(fresh, 7)
    fresh.click("#right")
    shows(fresh, "#save", "Save my digits (1)")
    assert label(fresh, 7).get_attribute("aria-pressed") == "true"


def test_a_digit_has_one_label_and_a_second_press_drops_it(fresh):
    keep(fresh, 7, 1)
    label(fresh, 2).click()
    shows(fresh, "#save", "Save my digits (1)")
    assert [label(fresh, digit).get_attribute("aria-pressed") for digit in (1, 2)] == ["false", "true"]
    label(fresh, 2).click()
    shows(fresh, "#save", "Save my digits (0)")
    assert not asks(fresh)


def test_the_row_knows_the_digits_that_are_kept_already(fresh):
    keep(fresh, 7, 1)
    fresh.keyboard.press("Escape")
    shows(fresh, "#spoken", "")
    assert label(fresh, 1).get_attribute("aria-pressed") == "false"
    fresh.click("#undo")
    is_read(fresh, 7)
    assert label(fresh, 1).get_attribute("aria-pressed") == "true"


def test_the_zip_holds_grey_pictures_of_the_networks_input_by_label(fresh):
    inputs = {}
    for drawn, said in ((7, 1), (2, 2), (4, 9)):
        keep(fresh, drawn, said)
        inputs[said] = network_input(fresh)
    archive = saved(fresh)
    names = archive.namelist()
    pattern = r"my-digits/\d/page-\d{8}-\d{6}-\d{3}\.png"
    assert len(names) == 3
    assert all(re.fullmatch(pattern, name) for name in names)
    assert len({name.split("/")[-1] for name in names}) == 3
    assert archive.testzip() is None
    for name in names:
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            assert (picture.mode, picture.size, picture.format) == ("L", (112, 112), "PNG")
            expected = np.kron(255 - inputs[int(name.split("/")[1])], np.ones((4, 4), np.uint8))
            assert np.array_equal(picture, expected)


def test_the_saved_folder_loads_with_its_labels_and_is_read_alike(fresh, few, tmp_path):
    expected = {}
    for number, image in enumerate(few.images[:8]):
        choose(fresh, f"{number}.png", png(255 - image))
        is_read(fresh, few.labels[number])
        label(fresh, (few.labels[number] + 1) % 10).click()
        expected.setdefault(int(few.labels[number] + 1) % 10, []).append(network_input(fresh))
    saved(fresh).extractall(tmp_path)
    loaded = load(tmp_path / "my-digits")
    labels = sorted(expected)
    assert sorted(loaded.labels) == sorted(digit for digit in labels for _ in expected[digit])
    recognizer = Recognizer(EXPORTS / "digits.onnx")
    for digit in labels:
        before, after = np.stack(expected[digit]), loaded.images[loaded.labels == digit]
        distances = np.abs(before[:, None].astype(int) - after[None]).mean(axis=(2, 3))
        assert distances.min(axis=1).max() < 4  # of 255: read_picture normalises them once more
        assert sorted(recognizer(before).digits) == sorted(recognizer(after).digits)


def test_leaving_with_unsaved_digits_asks_first(fresh):
    assert not asks(fresh)
    keep(fresh, 7, 1)
    assert asks(fresh)
    saved(fresh)
    expect(fresh.locator("#save")).to_be_enabled()  # they can be saved again
    assert not asks(fresh)
    keep(fresh, 2, 2)
    assert asks(fresh)


def test_the_browser_puts_the_question(open_page):
    page = open_page()
    keep(page, 7, 1)
    with page.expect_event("dialog") as dialog:
        page.close(run_before_unload=True)
    assert dialog.value.type == "beforeunload"
    dialog.value.dismiss()
    shows(page, "#save", "Save my digits (1)")
    page.context.close()


@pytest.mark.parametrize("sure", [True, False])
def test_emptying_asks_first_if_something_is_not_saved(fresh, sure):
    asked = []

    def answer(dialog):
        asked.append(dialog.message)
        dialog.accept() if sure else dialog.dismiss()

    fresh.on("dialog", answer)
    keep(fresh, 7, 1)
    fresh.click("#empty")
    shows(fresh, "#save", f"Save my digits ({0 if sure else 1})")
    assert asked == ["Drop the kept digits (1)? They are not saved."]
    assert asks(fresh) is not sure
    assert label(fresh, 1).get_attribute("aria-pressed") == ("false" if sure else "true")


def test_what_could_not_be_packed_is_not_lost(browser, site):
    page = browser.new_context().new_page()
    page.route("**/fflate.js", lambda route: route.fulfill(status=404))
    page.goto(site)
    keep(page, 7, 1)
    page.click("#save")
    shows(page, "#kept", re.compile("^Not saved: "))
    assert asks(page)
    page.context.close()


def test_nothing_was_complained_of_and_nothing_asked_of_others(fresh, log, site):
    # The last test of this file, so that it speaks of all of them.
    asked = set(log["requests"])
    assert [url for url in asked if not url.startswith((site, f"blob:{site}"))] == []
    assert log["complaints"] == []
