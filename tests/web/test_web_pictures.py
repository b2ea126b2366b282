"""The page in exports/web prepares and reads pictures as Python does."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from page import DRAWINGS, EXPORTS, GOLDEN, choose, draw, drop, network_input, png, probabilities, shows, shows_nothing
from PIL import Image

from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pages import read_digits
from flaxdigits.pictures.reading import read_picture


def within_a_level(page, expected):
    """Whether no pixel of the network's input differs from Python's by more than one grey level."""
    return np.abs(network_input(page).astype(int) - expected).max() <= 1


def slow_and_quick(few):
    """A picture of a 7 that takes long to decode, and one of a 2 that does not."""
    return png(np.kron(255 - few.images[0], np.ones((180, 180), np.uint8))), png(255 - few.images[1])


def test_of_two_pictures_the_later_one_stays(page, few):
    slow, quick = slow_and_quick(few)
    page.set_input_files("#file", {"name": "slow.png", "mimeType": "image/png", "buffer": slow})
    choose(page, "quick.png", quick)
    page.wait_for_timeout(3000)
    shows(page, "#digit", "2")
    shows(page, "#message", "quick.png")


def test_clearing_while_a_picture_is_decoded_leaves_nothing(page, few):
    slow, _ = slow_and_quick(few)
    page.set_input_files("#file", {"name": "slow.png", "mimeType": "image/png", "buffer": slow})
    page.keyboard.press("Escape")
    page.wait_for_timeout(3000)
    shows(page, "#digit", "")
    shows(page, "#message", "")


def golden_pictures():
    return json.loads((GOLDEN / "pictures.json").read_text())["pictures"]


@pytest.mark.parametrize("path", golden_pictures())
def test_a_golden_picture_dropped_is_prepared_as_python_does(page, path):
    drop(page, Path(path).name, (GOLDEN / path).read_bytes())
    shows(page, "#digit", re.compile("."))
    (reading,) = read_digits(GOLDEN / path)  # as one digit or as a page, whichever the model is surer of
    assert within_a_level(page, reading.pixels)


def scaled(image, side, resample=Image.Resampling.BICUBIC):
    return np.asarray(Image.fromarray(image).resize((side, side), resample))


def sheet(image, height, width, top, left, paper=255, ink=0):
    """A digit on a sheet of paper, uint8 [height, width]."""
    strokes = np.zeros((height, width))
    strokes[top : top + len(image), left : left + len(image)] = image / 255
    return np.rint(paper + (ink - paper) * strokes).astype(np.uint8)


def with_alpha(strokes, shade):
    return np.stack([np.full_like(strokes, shade)] * 3 + [strokes], axis=-1)


def shadowed(pixels):
    return np.rint(pixels * np.linspace(0.4, 1, pixels.shape[1])).astype(np.uint8)


def noisy(pixels):
    return np.clip(pixels + np.random.default_rng(0).normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)


def coloured(image):
    return np.stack([sheet(image, 99, 99, 9, 9, ink=ink) for ink in (10, 90, 200)], axis=-1)


PICTURES = {
    "28x28": lambda image: 255 - image,
    "off centre in 28x28": lambda image: np.roll(image, (3, 2), (0, 1)),
    "large": lambda image: sheet(scaled(image, 700), 1100, 900, 30, 150),
    "grey on grey": lambda image: sheet(scaled(image, 150), 301, 217, 90, 11, paper=190, ink=60),
    "light on dark": lambda image: sheet(scaled(image, 97), 131, 400, 20, 250, paper=20, ink=240),
    "smaller than MNIST": lambda image: sheet(scaled(image, 12), 15, 17, 1, 2),
    "colour": lambda image: coloured(scaled(image, 80)),
    "noise": lambda image: noisy(sheet(scaled(image, 280), 400, 400, 60, 60, 220)),
    "under a shadow": lambda image: noisy(shadowed(sheet(scaled(image, 280), 420, 400, 60, 60, 230))),
    "shadow, light on dark": lambda image: 255 - shadowed(sheet(scaled(image, 280), 390, 500, 60, 60, 230)),
    "black on nothing": lambda image: with_alpha(scaled(image, 140), 0),
    "white on nothing": lambda image: with_alpha(scaled(image, 140), 255),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_any_picture_is_prepared_as_python_does(page, few, kind):
    for image in few.images[:2]:
        content = png(PICTURES[kind](image))
        choose(page, f"{kind}.png", content)
        shows(page, "#digit", re.compile("."))
        assert within_a_level(page, read_picture(content))
        page.keyboard.press("Escape")
        shows(page, "#message", "")


def test_a_photograph_is_turned_the_way_it_was_held(page, few):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to see it upright
    content = io.BytesIO()
    lying = Image.fromarray(255 - scaled(few.images[0], 280)).transpose(Image.Transpose.ROTATE_90)
    lying.save(content, "JPEG", quality=95, exif=exif)
    choose(page, "lying.jpg", content.getvalue(), "image/jpeg")
    shows(page, "#digit", str(few.labels[0]))
    assert np.abs(network_input(page).astype(int) - read_picture(content.getvalue())).max() <= 2  # two decoders of JPEG


def test_a_pasted_picture_is_read(page, few):
    content = png(255 - scaled(few.images[2], 200))
    page.evaluate(
        """async (bytes) => {
            const picture = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
            await navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })]);
        }""",
        list(content),
    )
    page.keyboard.press("Control+v")
    shows(page, "#digit", str(few.labels[2]))
    assert within_a_level(page, read_picture(content))


def test_the_page_and_python_give_the_same_answers(page, mnist_test):
    recognizer = Recognizer(EXPORTS / "digits.onnx")
    differences = []
    for number, image in enumerate(mnist_test.images[:100]):
        content = png(255 - scaled(image, 140))
        (expected,) = read_digits(content, recognizer)
        choose(page, f"digit {number:03}.png", content)
        assert int(page.locator("#digit").inner_text()) == expected.digit
        differences.append(abs(probabilities(page)[expected.digit] - expected.probability))
    assert np.median(differences) <= 1e-6
    assert max(differences) <= 1e-2  # where a pixel is a level off


def test_a_picture_without_a_digit_says_so_and_shows_nothing(page):
    blank = png(np.full((50, 40), 255, np.uint8))
    with pytest.raises(DataError) as caught:
        read_picture(blank, "blank.png")
    choose(page, "blank.png", blank)
    shows(page, "#message", str(caught.value))
    assert shows_nothing(page)


def test_what_is_no_picture_gives_one_line(page):
    drop(page, "notes.txt", b"no picture")
    shows(page, "#message", "notes.txt: not a picture that can be read")
    assert shows_nothing(page)


SCRIPT = "window.wasRun = true; fetch('https://example.com/')"
STRANGE = {
    "a.svg": f'<svg xmlns="http://www.w3.org/2000/svg" width="9" onload="{SCRIPT}"><script>{SCRIPT}</script></svg>',
    "a.html": f"<!doctype html><body onload='{SCRIPT}'><script>{SCRIPT}</script><img src=x onerror='{SCRIPT}'>",
    "<img src=x onerror='window.wasRun = true'>.png": "no picture",
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_what_could_hold_a_script_is_no_picture_and_is_not_run(page, log, name):
    drop(page, name, STRANGE[name].encode())
    shows(page, "#message", f"{name}: not a picture that can be read")
    assert shows_nothing(page)
    assert page.evaluate("window.wasRun") is None
    assert page.locator("img[src=x]").count() == 0


def test_drawing_begins_anew_after_a_picture(page, few):
    choose(page, "seven.png", png(255 - few.images[0]))
    draw(page, DRAWINGS[0])
    shows(page, "#digit", "0")
    shows(page, "#message", "")


def test_nothing_was_complained_of_and_nothing_asked_of_others(page, log, site):
    # The last test of this file, so that it speaks of all of them.
    asked = set(log["requests"])
    assert {site + name for name in ("digits.onnx", "ort-wasm-simd-threaded.wasm")} <= asked
    assert [url for url in asked if not url.startswith(site)] == []
    assert log["complaints"] == []
