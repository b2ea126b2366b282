"""The page in exports/web reads golden pages, in a worker, under its Content-Security-Policy."""

import hashlib
import json

import numpy as np
import pytest
from page import EXPORTS, GOLDEN, WIDE

from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pages import read_as
from flaxdigits.pictures.reading import read_grey

GOLDEN_PAGES = json.loads((GOLDEN / "pages.json").read_text())
DECIDED = ("line", "number", "digit", "refused")


@pytest.fixture(scope="module")
def golden_page(open_page):
    page = open_page(**WIDE)
    yield page
    page.context.close()


def decided(reading):
    return [reading[name] for name in DECIDED]


IN_THE_BROWSER = """async (file) => {
    const [pages, reading, recognition, segmenter] = await Promise.all([
        'pages', 'pictures/reading', 'recognizer', 'segmenter',
    ].map((name) => import(new URL(`${name}.js`, location.href).href)));
    const recognizer = await recognition.Recognizer.load('digits.onnx');
    const bitmap = await reading.openPicture(await (await fetch(file)).blob(), file);
    const found = await pages.readDigits(reading.readGrey(bitmap), recognizer, segmenter.segmentInWorker);
    return found.map((reading) => ({ ...reading, pixels: reading.pixels.length }));
}"""


@pytest.mark.parametrize("golden", GOLDEN_PAGES["pages"], ids=lambda golden: golden["file"])
def test_the_worker_reads_a_golden_page_under_the_pages_policy(golden, golden_page):
    found = golden_page.evaluate(IN_THE_BROWSER, f"golden/{golden['file']}")
    assert [decided(reading) for reading in found] == [decided(reading) for reading in golden["readings"]]
    for one, other in zip(found, golden["readings"], strict=True):
        assert np.abs(np.subtract(one["box"], other["box"])).max() <= 1
        assert abs(one["probability"] - other["probability"]) <= GOLDEN_PAGES["tolerance"]
        assert abs(one["digitness"] - other["digitness"]) <= GOLDEN_PAGES["tolerance"]
        assert (len(one["probabilities"]), one["pixels"]) == (10, 784)


def test_opencv_is_loaded_when_the_first_page_comes_and_once(open_page, site, log):
    asked = len(log["requests"])
    page = open_page(**WIDE)
    assert f"{site}opencv.js" not in log["requests"][asked:]
    for _ in range(2):
        page.evaluate(IN_THE_BROWSER, f"golden/{GOLDEN_PAGES['pages'][0]['file']}")
    assert log["requests"][asked:].count(f"{site}opencv.js") == 1
    page.context.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [("opencv.js", "the page could not be segmented: "), ("segmentation-worker.js", "the worker that ")],
)
def test_where_a_file_cannot_be_had_an_error_says_so_and_a_later_page_is_read(name, said, open_page, site, log):
    page, complaints = open_page(**WIDE), len(log["complaints"])
    file = f"golden/{GOLDEN_PAGES['pages'][0]['file']}"
    page.context.route(f"{site}{name}", lambda route: route.abort())
    attempt = f"(file) => ({IN_THE_BROWSER})(file).catch((error) => error.message)"
    message = page.evaluate(attempt, file)
    assert message.startswith(said)
    assert "\n" not in message
    page.context.unroute(f"{site}{name}")
    assert len(page.evaluate(attempt, file)) == len(GOLDEN_PAGES["pages"][0]["readings"])
    page.context.close()
    del log["complaints"][complaints:]  # of what was kept from it


def test_python_reads_the_golden_pages_so():
    recognizer = Recognizer(EXPORTS / "digits.onnx")
    assert GOLDEN_PAGES["model"]["sha256"] == hashlib.sha256(recognizer.content).hexdigest()
    for golden in GOLDEN_PAGES["pages"]:
        found = read_as(read_grey(GOLDEN / golden["file"]), recognizer, "auto")
        assert [decided(vars(one)) for one in found] == [decided(one) for one in golden["readings"]]


def test_nothing_was_complained_of_and_nothing_asked_of_others(golden_page, log, site):
    # The last test of this file, so that it speaks of all of them; some took files away.
    assert [url for url in set(log["requests"]) if not url.startswith(site)] == []
    assert [text for text in log["complaints"] if "ERR_FAILED" not in text] == []
