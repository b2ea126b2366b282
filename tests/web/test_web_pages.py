"""Pages are read in JavaScript as in Python: in Node, and on the page in exports/web."""

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from page import EXPORTS, GOLDEN, WEB, WIDE
from PIL import Image

from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pages import read_as
from flaxdigits.pictures.reading import read_grey

READ = Path(__file__).with_name("read_pages.mjs")
MORPHOLOGY = Path(__file__).with_name("compare_morphology.mjs")
ROOT = EXPORTS.parent
TWINS = [
    *(f"pictures/{name}" for name in ("ink", "normalization", "strokes", "sheet", "layout", "cuts")),
    "lattice",
    "pages",
]
PIXELS = (28, 28)
SHAPE = (480, 640)


class Recording(Recognizer):
    """A recognizer that keeps what it was given."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.given = []

    def __call__(self, images, *arguments):
        self.given.append(images.astype(int))
        return super().__call__(images, *arguments)


def written(digits, lefts, tops=(60, 200, 340), slope=0.0, size=70):
    """Ink of lines of digits, whose left ends are given: float SHAPE, 0 paper .. 1 ink."""
    page, images = np.zeros(SHAPE), iter(digits)
    for top, line in zip(tops, lefts, strict=False):
        for left in line:
            digit = np.asarray(Image.fromarray(next(images)).resize((size, size), Image.Resampling.BICUBIC)) / 255
            y = round(top + slope * left)
            area = page[y : y + size, left : left + size]
            np.maximum(area, digit, out=area)
    return page


APART = ((20, 75, 280, 330, 380), (60, 120, 400), (100, 300, 350, 500))
TOUCHING = ((20, 58, 96, 134, 330, 368), (60, 97, 134, 400, 436), (100, 140, 178, 216))
DOWN, ACROSS = np.mgrid[: SHAPE[0], : SHAPE[1]]


def photographed(ink, shade=215, paper=1.0, noise=0.0, seed=0):
    shades = shade * paper * (1 - 0.7 * ink) + np.random.default_rng(seed).normal(0, noise, ink.shape)
    return np.clip(np.rint(shades), 0, 255).astype(np.uint8)


def on_desk(page):
    """A page as a sheet in a corner of a darker desk, on two sides up to the border."""
    desk = np.full((SHAPE[0] + 200, SHAPE[1] + 260), 60, np.uint8)
    desk[200:, 260:] = page
    return desk


def on_desk_all_around(page):
    return np.pad(page, 110, constant_values=70)


def scaled(page, width, height):
    return np.asarray(Image.fromarray(page).resize((width, height), Image.Resampling.BICUBIC))


def nearly_blank():
    return np.clip(np.random.default_rng(1).normal(200, 6, SHAPE), 0, 255).astype(np.uint8)


RULED = np.where(DOWN % 45 < 2, 0.75, 1)
SQUARED = np.where((DOWN % 45 < 2) | (ACROSS % 45 < 2), 0.8, 1)
SHADOW = np.where(ACROSS + DOWN / 3 < 300, 0.5, 1)
LAMP = 0.6 + 0.4 * ACROSS / SHAPE[1]
KINDS = {
    "plain": lambda digits: photographed(written(digits, APART)),
    "noise": lambda digits: photographed(written(digits, APART), noise=6),
    "ruled": lambda digits: photographed(written(digits, APART), paper=RULED, noise=2),
    "squared": lambda digits: photographed(written(digits, APART), paper=SQUARED, noise=2),
    "shadow": lambda digits: photographed(written(digits, APART), paper=SHADOW, noise=2),
    "lamp": lambda digits: photographed(written(digits, APART), paper=LAMP, noise=3),
    "slanted": lambda digits: photographed(written(digits, APART, slope=0.08), noise=2),
    "touching": lambda digits: photographed(written(digits, TOUCHING), noise=2),
    "small digits": lambda digits: photographed(written(digits, APART, size=32), noise=1),
    "light on dark": lambda digits: 255 - photographed(written(digits, TOUCHING), noise=3),
    "sheet in a corner": lambda digits: on_desk(photographed(written(digits, APART), noise=2)),
    "sheet on a desk": lambda digits: on_desk_all_around(photographed(written(digits, TOUCHING), noise=2)),
    "large": lambda digits: scaled(photographed(written(digits, TOUCHING), noise=3), 2600, 1950),
    "one digit": lambda digits: photographed(written(digits, ((280,),), tops=(150,), size=200), noise=3),
    "one digit in 28x28": lambda digits: digits[0],
    "noise alone": lambda digits: nearly_blank(),
    "nothing": lambda digits: np.full(SHAPE, 200, np.uint8),
    "black": lambda digits: np.zeros((200, 300), np.uint8),
    "one pixel": lambda digits: np.zeros((1, 1), np.uint8),
    "long and low": lambda digits: np.tile(np.uint8([0, 255]), (3, 500)),
}
LINES = {
    "plain": 3,
    "touching": 3,
    "light on dark": 3,
    "large": 3,
    "sheet in a corner": 3,
    "one digit": 1,
    "nothing": 0,
}


def read_in_node(node, model, pages, folder, mode="auto", **options):
    """The readings of pages in JavaScript, as dictionaries with their pixels."""
    jobs = []
    for number, page in enumerate(pages):
        file = folder / f"{number}.grey"
        file.write_bytes(np.ascontiguousarray(page).tobytes())
        jobs.append({"file": str(file), "width": page.shape[1], "height": page.shape[0], "mode": mode} | options)
    done = subprocess.run([node, READ, model], input=json.dumps(jobs), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return [page["readings"] for page in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def pages(mnist_test):
    return {kind: make(mnist_test.images[50 * at : 50 * at + 50]) for at, (kind, make) in enumerate(KINDS.items())}


@pytest.fixture(scope="module")
def in_javascript(node, pages, tmp_path_factory):
    found = read_in_node(node, EXPORTS / "digits.onnx", pages.values(), tmp_path_factory.mktemp("pages"))
    return dict(zip(pages, found, strict=True))


def decision(reading):
    values = reading if isinstance(reading, dict) else vars(reading)
    return tuple(values[name] for name in ("line", "number", "digit", "refused"))


def differences(expected, found):
    """The largest difference of a box, and that of a probability or digitness, of two lists of the same decisions."""
    assert [decision(reading) for reading in found] == [decision(reading) for reading in expected]
    boxes, figures = [0], [0.0]
    for one, other in zip(expected, found, strict=True):
        boxes.append(np.abs(np.subtract(one.box, other["box"])).max())
        figures += [abs(one.probability - other["probability"]), abs(one.digitness - other["digitness"])]
    return max(boxes), max(figures)


def off_by(reading, given):
    """By how many grey levels the pixels of a reading differ from the nearest that Python gave the network."""
    pixels = np.frombuffer(base64.b64decode(reading["pixels"]), np.uint8).reshape(PIXELS).astype(int)
    return np.abs(np.concatenate(given) - pixels).max(axis=(1, 2)).min()


@pytest.mark.parametrize("kind", KINDS)
def test_javascript_reads_a_page_as_python_does(kind, pages, in_javascript):
    recognizer = Recording(EXPORTS / "digits.onnx")
    expected, found = read_as(pages[kind].astype(np.float32), recognizer, "auto"), in_javascript[kind]
    box, figure = differences(expected, found)
    assert box <= 1
    assert figure <= 1e-3
    assert all(off_by(reading, recognizer.given) <= 1 for reading in found)
    if kind in LINES:
        assert max((reading.line for reading in expected), default=0) == LINES[kind]


def test_another_page_would_be_found_to_differ(pages, in_javascript):
    recognizer = Recording(EXPORTS / "digits.onnx")
    page = pages["touching"].astype(np.float32)
    with pytest.raises(AssertionError):
        differences(read_as(page, recognizer, "auto"), in_javascript["plain"])
    assert max(off_by(reading, recognizer.given) for reading in in_javascript["plain"]) > 1
    moved = read_as(np.pad(page, ((0, 0), (2, 0)), mode="edge"), recognizer, "auto")
    assert differences(moved, in_javascript["touching"])[0] > 1


@pytest.mark.parametrize("mode", ["single", "page"])
def test_the_kind_of_picture_may_be_given(mode, node, pages, tmp_path):
    chosen = [pages[kind] for kind in ("plain", "one digit", "one digit in 28x28", "nothing")]
    found = read_in_node(node, EXPORTS / "digits.onnx", chosen, tmp_path, mode)
    for page, readings in zip(chosen, found, strict=True):
        box, figure = differences(read_as(page.astype(np.float32), Recognizer(), mode), readings)
        assert box <= 1
        assert figure <= 1e-3


@pytest.mark.parametrize("mode", ["auto", "page"])
def test_without_opencv_every_picture_is_read_as_one_digit(mode, node, pages, tmp_path):
    (found,) = read_in_node(node, EXPORTS / "digits.onnx", [pages["plain"]], tmp_path, mode, withoutOpenCV=True)
    differences(read_as(pages["plain"].astype(np.float32), Recognizer(), "single"), found)


def test_a_model_without_digitness_reads_one_digit(node, pages, tiny_model, tmp_path):
    (found,) = read_in_node(node, tiny_model, [pages["plain"]], tmp_path)
    differences(read_as(pages["plain"].astype(np.float32), Recognizer(tiny_model), "auto"), found)
    assert len(found) == 1


def test_large_windows_give_what_opencv_gives(node):
    done = subprocess.run([node, MORPHOLOGY], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {"compared": 360, "different": []}


def constants(source, declaration):
    """The numbers that a source file gives names to, alone or several in a line."""
    found = {}
    for names, values in re.findall(declaration, source, re.MULTILINE):
        numbers = [float(value) for value in re.findall(r"[\d.]+(?:e-?\d+)?", values)]
        name, *others = re.findall(r"[A-Z_]+", names)
        found |= dict(zip([name, *others], numbers, strict=True)) if others else {name: tuple(numbers)}
    return {name: value if isinstance(value, tuple) else (value,) for name, value in found.items()}


def constants_of(twin):
    """The constants of a module in Python and in JavaScript."""
    python = (ROOT / "flaxdigits" / f"{twin}.py").read_text(encoding="utf-8")
    javascript = (WEB / f"{twin}.js").read_text(encoding="utf-8")
    return (
        constants(python, r"^([A-Z_]+(?:, [A-Z_]+)*) = ([\d.(][-\d., e)]*)"),
        constants(javascript, r"^(?:export )?const (\[?[A-Z_]+(?:, [A-Z_]+)*\]?) = ([\d.\[][-\d., e\]]*);"),
    )


@pytest.mark.parametrize("twin", TWINS)
def test_twins_have_the_same_constants(twin):
    python, javascript = constants_of(twin)
    assert python
    assert {name: value for name, value in javascript.items() if name != "BATCH"} == python


GOLDEN_PAGES = json.loads((GOLDEN / "pages.json").read_text())


@pytest.fixture(scope="module")
def golden_page(open_page):
    page = open_page(**WIDE)
    yield page
    page.context.close()


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
    assert [decision(reading) for reading in found] == [decision(reading) for reading in golden["readings"]]
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
def test_where_a_file_cannot_be_had_an_error_says_so_and_a_later_page_is_read(name, said, open_page, site):
    page = open_page(**WIDE)
    file = f"golden/{GOLDEN_PAGES['pages'][0]['file']}"
    page.context.route(f"{site}{name}", lambda route: route.abort())
    attempt = f"(file) => ({IN_THE_BROWSER})(file).catch((error) => error.message)"
    message = page.evaluate(attempt, file)
    assert message.startswith(said)
    assert "\n" not in message
    page.context.unroute(f"{site}{name}")
    assert len(page.evaluate(attempt, file)) == len(GOLDEN_PAGES["pages"][0]["readings"])
    page.context.close()


def test_python_reads_the_golden_pages_so():
    recognizer = Recognizer(EXPORTS / "digits.onnx")
    assert GOLDEN_PAGES["model"]["sha256"] == hashlib.sha256(recognizer.content).hexdigest()
    for golden in GOLDEN_PAGES["pages"]:
        found = read_as(read_grey(GOLDEN / golden["file"]), recognizer, "auto")
        assert [decision(reading) for reading in found] == [decision(reading) for reading in golden["readings"]]


def test_nothing_was_complained_of_and_nothing_asked_of_others(golden_page, log, site):
    # The last test of this file, so that it speaks of all of them; some took files away.
    assert [url for url in set(log["requests"]) if not url.startswith(site)] == []
    assert [text for text in log["complaints"] if "ERR_FAILED" not in text] == []
