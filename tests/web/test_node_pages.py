"""Pages are read in JavaScript as in Python: exports/web/pages.js in Node, on pages of many kinds."""

import base64
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from page import EXPORTS
from written import KINDS

from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pages import read_as

READ = Path(__file__).with_name("read_pages.mjs")
PIXELS = (28, 28)
LINES = {
    "plain": 3,
    "touching": 3,
    "light on dark": 3,
    "large": 3,
    "sheet in a corner": 3,
    "one digit": 1,
    "nothing": 0,
}


class Recording(Recognizer):
    """A recognizer that keeps what it was given."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.given = []

    def __call__(self, images, *arguments):
        self.given.append(images.astype(int))
        return super().__call__(images, *arguments)


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
    assert figure <= 5e-3  # what a grey level more or less in the pixels moves, where the network doubts
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
