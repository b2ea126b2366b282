"""The page in exports/web: drawing, the answer, the self-test."""

import hashlib
import json
import re
import subprocess

import numpy as np
import pytest
from page import (
    DRAWINGS,
    EXPORTS,
    GOLDEN,
    WEB,
    WIDE,
    arc,
    choose,
    draw,
    inked,
    is_read,
    network_input,
    one_worker,
    png,
    probabilities,
    shows,
    shows_nothing,
)
from playwright.sync_api import expect

from flaxdigits.inference.recognizer import Recognizer

SURE = float(re.search(r"SURE = ([\d.]+)", (WEB / "ui" / "answer.js").read_text())[1])
NO_DIGITS = {
    "a cross": [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)]],
    "an E": [[(0.7, 0.2), (0.3, 0.2), (0.3, 0.8), (0.7, 0.8)], [(0.3, 0.5), (0.6, 0.5)]],
    "a hash": [
        [(0.35, 0.2), (0.35, 0.8)], [(0.65, 0.2), (0.65, 0.8)], [(0.2, 0.35), (0.8, 0.35)], [(0.2, 0.65), (0.8, 0.65)],
    ],
}  # fmt: skip


def touch(page, points, selector):
    """Puts a finger on an element, moves it and lifts it; points are in 0..1 of the element."""
    box = page.locator(selector).bounding_box()
    places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
    session = page.context.new_cdp_session(page)
    for kind, place in [("touchStart", places[0]), *(("touchMove", place) for place in places[1:]), ("touchEnd", None)]:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place] if place else []})


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_drawn_digit_is_read(page, digit):
    draw(page, DRAWINGS[digit])
    shows(page, "#digit", str(digit))
    assert probabilities(page).argmax() == digit


def test_a_stroke_is_painted_before_the_network_is_there_and_read_once_it_is(browser, site):
    page = browser.new_context(**WIDE).new_page()
    held = []
    page.route("**/digits.onnx", lambda route: held.append(route))
    page.goto(site)
    draw(page, DRAWINGS[7])
    shows(page, "#verdict", "loading the network …")
    assert inked(page, 0.5, 0.2)
    assert network_input(page).any()
    shows(page, "#digit", "")
    held[0].continue_()
    is_read(page, 7)
    page.context.close()


def test_the_page_says_that_the_network_could_not_be_loaded(browser, site):
    page = browser.new_context(**WIDE).new_page()
    page.route("**/digits.onnx", lambda route: route.fulfill(status=404))
    page.goto(site)
    shows(page, "#model", "Could not be loaded: digits.onnx: the server answered 404")
    draw(page, DRAWINGS[7])
    shows(page, "#message", "digits.onnx: the server answered 404")
    assert shows_nothing(page)
    page.context.close()


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
        ratios.append(network_input(page).mean() / np.median(usual))
        page.click("#clear")
        shows(page, "#spoken", "")
    assert 0.9 < np.mean(ratios) < 1.1


@pytest.mark.parametrize("strokes", [[[(0.5, 0.5)]], [arc(0.5, 0.5, 0.05, 0.05, 0, 360)]], ids=["a tap", "a speck"])
def test_what_is_too_small_is_painted_and_not_read(page, strokes):
    draw(page, strokes)
    shows(page, "#message", "Too small to be read: draw it larger")
    assert inked(page, *strokes[0][0])
    assert shows_nothing(page)


def test_a_thin_1_and_a_small_0_are_large_enough(page):
    for digit, strokes in ((1, [[(0.5, 0.4), (0.5, 0.6)]]), (0, [arc(0.5, 0.5, 0.07, 0.1, 0, 360)])):
        draw(page, strokes)
        is_read(page, digit)
        shows(page, "#message", "")
        page.keyboard.press("Escape")
        shows(page, "#spoken", "")


def test_the_hint_to_draw_larger_waits_for_the_end_of_the_stroke(page):
    draw(page, [[(0.5, 0.5), (0.5, 0.55)]], finish=False)
    expect(page.locator("#hint")).to_be_hidden()
    shows(page, "#message", "")
    page.mouse.up()
    shows(page, "#message", re.compile("draw it larger"))


def test_a_frame_along_the_edge_of_the_pad_is_ink_and_not_paper(page):
    draw(page, [[(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.01)]])
    shows(page, "#spoken", re.compile("."))
    framed = network_input(page)
    assert framed[4, 14] == framed[14, 4] == 255
    assert framed[14, 14] == 0


def test_an_empty_pad_shows_nothing_and_clear_brings_that_back(page):
    assert shows_nothing(page)
    for clear in (lambda: page.click("#clear"), lambda: page.keyboard.press("Delete")):
        draw(page, DRAWINGS[2])
        shows(page, "#digit", "2")
        clear()
        assert shows_nothing(page)


def test_everything_but_drawing_works_by_keyboard(page):
    def tabs(count):
        page.locator("body").evaluate("body => document.activeElement.blur()")
        for _ in range(count):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            ring = focused.evaluate("it => getComputedStyle(it.closest('.button') ?? it).outlineStyle")
            assert ring == "solid"
            yield focused.get_attribute("id") or focused.inner_text()

    draw(page, DRAWINGS[4])
    is_read(page, 4)
    digits = [str(digit) for digit in range(10)]
    assert list(tabs(15)) == ["undo", "clear", "file", "right", *digits, "selftest"]
    page.focus("#undo")
    page.keyboard.press("Enter")
    shows(page, "#spoken", re.compile("^[^4]"))
    page.focus("#clear")
    page.keyboard.press("Space")
    assert shows_nothing(page)
    assert page.locator(":focus").get_attribute("id") == "undo"  # not lost with the button that is now disabled


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
    pages = len(json.loads((GOLDEN / "pages.json").read_text())["pages"])
    assert lines[1:] == [
        f"golden pictures: {total} passed, 0 failed, within one grey level",
        f"golden pages: {pages} passed, 0 failed (this loads OpenCV, 13 MB)",
        f"onnxruntime-web {runtime}",
    ]
    assert not page.locator("#selftest-result.failed").count()


def test_the_self_test_passes_with_the_tiny_model(open_page, site):
    page = open_page(**WIDE)
    page.route(f"{site}digits.onnx", lambda route: route.fulfill(path=EXPORTS / "digits-tiny.onnx"))
    page.route(f"{site}golden/golden.json", lambda route: route.fulfill(path=EXPORTS / "golden-tiny" / "golden.json"))
    page.reload()
    page.click("#selftest")
    shows(page, "#selftest-result", re.compile("golden vectors: 40 passed, 0 failed, .* of 2e-2 allowed"))
    shows(page, "#selftest-result", re.compile("golden pages: of another model"))
    page.context.close()


def fails(page, name, corrupt, said):
    """Has the page test itself with a golden file that `corrupt` has changed."""

    def corrupted(route):
        golden = json.loads((GOLDEN / name).read_text())
        corrupt(golden)
        route.fulfill(json=golden)

    page.route(f"**/{name}", corrupted)
    page.click("#selftest")
    shows(page, "#selftest-result", re.compile(said))
    page.unroute(f"**/{name}")
    assert page.locator("#selftest-result.failed").count()


def test_the_self_test_fails_on_wrong_golden_files(page):
    def corrupt(golden):
        golden["cases"][0]["probabilities"][0] += 2e-5
        golden["cases"][1]["digit"] += 1

    fails(page, "golden.json", corrupt, "vectors: .* passed, 2 failed")


def test_the_self_test_fails_on_a_page_that_is_read_otherwise(page):
    def corrupt(golden):
        golden["pages"][0]["readings"][3]["digit"] += 1
        golden["pages"][1]["readings"][2]["box"][0] += 3

    fails(page, "pages.json", corrupt, "pages: 1 passed, 2 failed")


def test_the_page_says_which_file_it_reads_with(page):
    digest = hashlib.sha256((EXPORTS / "digits.onnx").read_bytes()).hexdigest()
    shows(page, "#model", re.compile(rf"^digits.onnx · SHA-256 {digest[:12]}… · onnxruntime-web "))
    assert page.locator("#model").get_attribute("title") == digest


def test_below_a_probability_the_page_is_not_sure(page, mnist_test):
    prediction = Recognizer(EXPORTS / "digits.onnx")(mnist_test.images)
    best, is_digit = prediction.confidences, prediction.digitness >= 0.5
    below, above = np.where((best < SURE) & is_digit, best, 0).argmax(), np.where(best >= SURE, best, 2).argmin()
    choose(page, "below.png", png(mnist_test.images[below]))
    shows(page, "#verdict", re.compile(r"^not sure: \d or \d$"))
    choose(page, "above.png", png(mnist_test.images[above]))
    shows(page, "#verdict", re.compile(r"^\d+\.\d%$"))


def test_verdict_and_bar_give_the_same_percentage(page, few):
    choose(page, "digit.png", png(255 - few.images[0]))
    is_read(page, few.labels[0])
    assert page.locator("#bars .best .percent").inner_text() == page.locator("#verdict").inner_text()


def test_only_certainty_is_100_percent_and_only_impossibility_0(page):
    shares = [0, 1e-30, 0.0004999, 0.0005, 0.5, 0.9949, 0.99949, 0.9995, 0.99999994, 1]
    script = "async (shares) => { const { percent } = await import('./ui/answer.js'); return shares.map(percent); }"
    words = ["0.0%", "<0.1%", "<0.1%", "0.1%", "50.0%", "99.5%", "99.9%", ">99.9%", ">99.9%", "100.0%"]
    assert page.evaluate(script, shares) == words


def test_the_page_says_of_some_that_it_is_no_digit(page):
    # Of some it does not: a square is much like a 0.
    verdicts = []
    for strokes in NO_DIGITS.values():
        draw(page, strokes)
        shows(page, "#spoken", re.compile(r"\d, "))
        verdicts.append(page.locator("#spoken").inner_text())
        page.click("#clear")
        shows(page, "#spoken", "")
    assert any("probably no digit" in verdict for verdict in verdicts)


def test_the_lock_names_no_registry():
    assert "://" not in (WEB / "package-lock.json").read_text()


def test_a_page_is_not_built_with_the_golden_vectors_of_another_model(site, need, tiny_model):
    node = need("Node.js 20 or newer: nodejs.org", "node")
    refused = (
        ([tiny_model, GOLDEN], f"{GOLDEN}: golden vectors of another file than "),
        ([tiny_model], "usage: just web [MODEL.onnx GOLDEN_FOLDER]"),
        ([tiny_model, tiny_model.parent], f"missing: {tiny_model.parent / 'golden.json'}, "),
    )
    with one_worker():
        before = (WEB / "dist" / "digits.onnx").read_bytes()
        for words, said in refused:
            done = subprocess.run([node, "build.mjs", *words], cwd=WEB, capture_output=True, text=True)
            assert done.returncode == 1
            assert done.stderr.startswith(said)
            assert done.stderr.count("\n") == 1
        assert (WEB / "dist" / "digits.onnx").read_bytes() == before


def test_nothing_was_complained_of_and_nothing_asked_of_others(page, log, site):
    # The last test of this file, so that it speaks of all of them.
    asked = set(log["requests"])
    assert {site + name for name in ("digits.onnx", "ort-wasm-simd-threaded.wasm", "golden/pixels.bin")} <= asked
    assert [url for url in asked if not url.startswith(site)] == []
    assert log["complaints"] == []
