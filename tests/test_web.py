"""The page in exports/web, built with npm and node, in a real Chromium."""

import functools
import hashlib
import io
import json
import math
import re
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from flaxdigits.errors import DataError
from flaxdigits.pictures import read_picture
from flaxdigits.recognizer import Recognizer

EXPORTS = Path(__file__).parents[1] / "exports"
WEB = EXPORTS / "web"
GOLDEN = EXPORTS / "golden"
SURE = float(re.search(r"SURE = ([\d.]+)", (WEB / "answer.js").read_text())[1])
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
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
NO_DIGITS = {
    "a cross": [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)]],
    "an E": [[(0.7, 0.2), (0.3, 0.2), (0.3, 0.8), (0.7, 0.8)], [(0.3, 0.5), (0.6, 0.5)]],
    "a hash": [
        [(0.35, 0.2), (0.35, 0.8)], [(0.65, 0.2), (0.65, 0.8)], [(0.2, 0.35), (0.8, 0.35)], [(0.2, 0.65), (0.8, 0.65)],
    ],
}  # fmt: skip


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(need):
    """The page's address, built and served."""
    npm, node = (need("Node.js 20 or newer: nodejs.org", name) for name in ("npm", "node"))
    installed, wanted = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WEB, check=True)
    subprocess.run([node, "build.mjs"], cwd=WEB, check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=WEB / "dist")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(need):
    chromium = need("apt-get install chromium", "chromium", "google-chrome")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=CHROMIUM) as it:
        yield it


@pytest.fixture(scope="module")
def log():
    """What the browser complained of, and what it asked for, in all tests of this file."""
    return {"complaints": [], "requests": []}


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def wide(open_page):
    return open_page(**WIDE, permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture
def page(wide):
    wide.keyboard.press("Escape")
    shows(wide, "#hint", "draw here")
    return wide


@pytest.fixture
def phone(open_page):
    page = open_page(**PHONE)
    yield page
    page.context.close()


def shows(page, selector, text):
    """Waits until an element says this, or matches it."""
    from playwright.sync_api import expect

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


def touch(page, points, selector):
    """Puts a finger on an element, moves it and lifts it; points are in 0..1 of the element."""
    box = page.locator(selector).bounding_box()
    places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
    session = page.context.new_cdp_session(page)
    for kind, place in [("touchStart", places[0]), *(("touchMove", place) for place in places[1:]), ("touchEnd", None)]:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place] if place else []})


def saw(page):
    """The pixels that the page shows as what the network saw, uint8 [28, 28]."""
    pixels = page.evaluate(
        "Array.from(document.getElementById('saw').getContext('2d').getImageData(0, 0, 28, 28).data)"
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
    return bool(np.isnan(probabilities(page)).all() and not saw(page).any())


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_drawn_digit_is_read(page, digit):
    draw(page, DRAWINGS[digit])
    shows(page, "#digit", str(digit))
    assert probabilities(page).argmax() == digit


def test_the_answer_is_there_before_the_stroke_ends(page):
    draw(page, DRAWINGS[7], finish=False)
    shows(page, "#digit", "7")
    shows(page, "#spoken", "")
    page.mouse.up()
    shows(page, "#spoken", re.compile(r"^7, "))


def test_drawn_digits_have_as_much_ink_as_those_of_mnist(page, mnist_test):
    ratios = []
    for digit in (0, 2, 5, 7):
        draw(page, DRAWINGS[digit])
        shows(page, "#digit", str(digit))
        shows(page, "#spoken", re.compile("."))  # the stroke has ended
        usual = mnist_test.images[mnist_test.labels == digit].mean(axis=(1, 2))
        ratios.append(saw(page).mean() / np.median(usual))
        page.click("#clear")
        shows(page, "#spoken", "")
    assert 0.9 < np.mean(ratios) < 1.1


def test_a_tap_is_a_dot(page):
    draw(page, [[(0.5, 0.5)]])
    shows(page, "#digit", re.compile("."))
    assert saw(page)[10:18, 10:18].all()


def test_a_frame_along_the_edge_of_the_pad_is_ink_and_not_paper(page):
    draw(page, [[(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.01)]])
    shows(page, "#spoken", re.compile("."))
    framed = saw(page)
    assert framed[4, 14] == framed[14, 4] == 255
    assert framed[14, 14] == 0


def test_an_empty_pad_shows_nothing_and_clear_brings_that_back(page):
    assert shows_nothing(page)
    for clear in (lambda: page.click("#clear"), lambda: page.keyboard.press("Delete")):
        draw(page, DRAWINGS[2])
        shows(page, "#digit", "2")
        clear()
        assert shows_nothing(page)


def test_undo_takes_the_last_stroke_back(page):
    bars = page.locator("#bars")
    for undo in (lambda: page.click("#undo"), lambda: page.keyboard.press("Control+z")):
        draw(page, DRAWINGS[1])
        shows(page, "#spoken", re.compile("^1, "))
        before, percentages = saw(page), bars.inner_text()
        draw(page, [[(0.2, 0.3), (0.8, 0.3)]])
        shows(page, "#spoken", re.compile("^[^1]"))
        assert not np.array_equal(saw(page), before)
        undo()
        shows(page, "#spoken", re.compile("^1, "))
        assert np.array_equal(saw(page), before)
        assert bars.inner_text() == percentages
        undo()
        assert shows_nothing(page)
        undo()  # does no harm


def test_everything_but_drawing_works_by_keyboard(page):
    reached = []
    page.locator("body").evaluate("body => document.activeElement.blur()")
    for _ in range(4):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.get_attribute("id"))
        ring = focused.evaluate("it => getComputedStyle(it.closest('.button') ?? it).outlineStyle")
        assert ring == "solid"
    assert reached == ["undo", "clear", "file", "selftest"]
    draw(page, DRAWINGS[4])
    shows(page, "#digit", "4")
    page.focus("#undo")
    page.keyboard.press("Enter")
    shows(page, "#digit", re.compile("[^4]"))
    page.focus("#clear")
    page.keyboard.press("Space")
    assert shows_nothing(page)


def test_a_finger_draws_and_does_not_scroll(phone):
    touch(phone, DRAWINGS[1][0], "#pad")
    shows(phone, "#digit", "1")
    touch(phone, [(0.5, 0.1 * step) for step in range(9, 0, -1)], "#pad")
    phone.wait_for_timeout(300)
    assert phone.evaluate("scrollY") == 0
    touch(phone, [(0.5, 0.5 - 0.2 * step) for step in range(10)], "#bars")  # the page itself does scroll
    phone.wait_for_timeout(300)
    assert phone.evaluate("scrollY") > 0


def test_nothing_is_wider_than_a_phone(phone):
    phone.locator("#selftest").tap()
    shows(phone, "#selftest-result", re.compile("passed"))
    choose(phone, f"{'long' * 30}.png", png(np.full((9, 9), 255, np.uint8)))
    assert phone.evaluate("document.documentElement.scrollWidth") == 360


def test_dark_mode_is_dark_with_light_strokes(open_page):
    shades = {}
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        draw(page, DRAWINGS[1])
        shows(page, "#digit", "1")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        stroke = page.evaluate("[...document.getElementById('pad').getContext('2d').getImageData(320, 320, 1, 1).data]")
        shades[scheme] = int(re.search(r"\d+", background)[0]), stroke[0]
        assert stroke[3] == 255  # it is drawn
        page.context.close()
    assert shades["light"][0] > 200 > 60 > shades["dark"][0]
    assert shades["light"][1] < 60 < 200 < shades["dark"][1]


def test_the_self_test_passes_and_says_with_what(page):
    cases = len(json.loads((GOLDEN / "golden.json").read_text())["cases"])
    pictures = json.loads((GOLDEN / "pictures.json").read_text())
    runtime = json.loads((WEB / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    page.click("#selftest")
    shows(page, "#selftest-result", re.compile("passed"))
    lines = page.locator("#selftest-result").inner_text().split("\n")
    assert re.fullmatch(rf"golden vectors: {cases} passed, 0 failed, largest difference \S+ of 1e-5 allowed", lines[0])
    total = len(pictures["pictures"]) + len(pictures["blank"])
    assert lines[1:] == [f"golden pictures: {total} passed, 0 failed, byte for byte", f"onnxruntime-web {runtime}"]
    assert not page.locator("#selftest-result.failed").count()


def test_the_self_test_fails_on_wrong_golden_files(page):
    def spoilt(route):
        golden = json.loads((GOLDEN / "golden.json").read_text())
        golden["cases"][0]["probabilities"][0] += 2e-5
        golden["cases"][1]["digit"] += 1
        route.fulfill(json=golden)

    page.route("**/golden.json", spoilt)
    page.click("#selftest")
    shows(page, "#selftest-result", re.compile("vectors: .* passed, 2 failed"))
    page.unroute("**/golden.json")
    assert page.locator("#selftest-result.failed").count()


def test_the_page_says_which_file_it_reads_with(page):
    digest = hashlib.sha256((EXPORTS / "digits.onnx").read_bytes()).hexdigest()
    shows(page, "#model", re.compile(rf"^digits.onnx · SHA-256 {digest[:12]}… · onnxruntime-web "))
    assert page.locator("#model").get_attribute("title") == digest


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
    listed = GOLDEN / "pictures.json"
    return json.loads(listed.read_text())["pictures"] if listed.exists() else []


@pytest.mark.parametrize("path", golden_pictures())
def test_a_golden_picture_dropped_is_prepared_as_python_does(page, path):
    drop(page, Path(path).name, (GOLDEN / path).read_bytes())
    shows(page, "#digit", re.compile("."))
    assert np.array_equal(saw(page), read_picture(GOLDEN / path))


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
        assert np.array_equal(saw(page), read_picture(content))
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
    assert np.abs(saw(page).astype(int) - read_picture(content.getvalue())).max() <= 2  # two decoders of JPEG


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
    assert np.array_equal(saw(page), read_picture(content))


def test_the_page_and_python_give_the_same_answers(page, mnist_test):
    recognizer = Recognizer(EXPORTS / "digits.onnx")
    contents = [png(255 - scaled(image, 140)) for image in mnist_test.images[:100]]
    expected = recognizer(np.stack([read_picture(content) for content in contents]))
    digits, found = [], []
    for number, content in enumerate(contents):
        choose(page, f"digit {number:03}.png", content)
        digits.append(int(page.locator("#digit").inner_text()))
        found.append(probabilities(page))
    assert np.array_equal(digits, expected.digits)
    assert np.abs(np.stack(found) - expected.probabilities).max() <= 1e-5


def test_below_a_probability_the_page_is_not_sure(page, mnist_test):
    best = Recognizer(EXPORTS / "digits.onnx")(mnist_test.images).confidences
    below, above = np.where(best < SURE, best, 0).argmax(), np.where(best >= SURE, best, 2).argmin()
    choose(page, "below.png", png(mnist_test.images[below]))
    shows(page, "#verdict", re.compile(r"^not sure: \d or \d$"))
    choose(page, "above.png", png(mnist_test.images[above]))
    shows(page, "#verdict", re.compile(r"^\d+(\.\d)?%$"))


def test_the_page_is_not_sure_of_all_that_is_no_digit(page):
    # Of some it is: what the network was never shown, it may take for a digit with confidence.
    verdicts = []
    for strokes in NO_DIGITS.values():
        draw(page, strokes)
        shows(page, "#spoken", re.compile(r"\d, "))
        verdicts.append(page.locator("#spoken").inner_text())
        page.click("#clear")
        shows(page, "#spoken", "")
    assert any("not sure" in verdict for verdict in verdicts)


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


def test_drawing_begins_anew_after_a_picture(page, few):
    choose(page, "seven.png", png(255 - few.images[0]))
    draw(page, DRAWINGS[0])
    shows(page, "#digit", "0")
    shows(page, "#message", "")


def test_the_lock_names_no_registry():
    assert "://" not in (WEB / "package-lock.json").read_text()


def test_nothing_was_complained_of_and_nothing_asked_of_others(page, log, site):
    # The last test of this file, so that it speaks of all of them.
    asked = set(log["requests"])
    assert {site + name for name in ("digits.onnx", "ort-wasm-simd-threaded.wasm", "golden/pixels.bin")} <= asked
    assert [url for url in asked if not url.startswith(site)] == []
    assert log["complaints"] == []
