"""The parts of exports/web that have a twin in Python, or in OpenCV, compared function by function in Node."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from page import EXPORTS, WEB
from PIL import Image

from flaxdigits.inference.recognizer import Prediction
from flaxdigits.lattice import Read, groups_of, likeliest, shape_cost
from flaxdigits.pages import least_digitness
from flaxdigits.pictures.cuts import cut, slant_of
from flaxdigits.pictures.layout import Line, Piece, digit_height, slope_of

CALL = Path(__file__).with_name("call.mjs")
MORPHOLOGY = Path(__file__).with_name("compare_morphology.mjs")
ROOT = EXPORTS.parent
TWINS = [
    *(f"pictures/{name}" for name in ("ink", "normalization", "strokes", "sheet", "layout", "cuts")),
    "lattice",
    "pages",
]


def call(node, *calls):
    """What functions of the modules in exports/web return; each call is a module, a function and its arguments."""
    given = json.dumps([(module, name, arguments) for module, name, *arguments in calls])
    done = subprocess.run([node, CALL], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def random_line(rng):
    """A line of pieces beside each other, some of them cut from the one before and some low."""
    pieces, left = [], 0
    for _ in range(rng.integers(1, 12)):
        width, height = int(rng.integers(4, 30)), int(rng.integers(10, 45))
        ink = np.ones((height, width), np.float32)
        pieces.append(Piece((left, 0, left + width, height), ink, bool(pieces and rng.random() < 0.5)))
        left += width + int(rng.integers(0, 10))
    return Line(pieces, 40.0)


def random_prediction(rng, count):
    probabilities = np.full((count, 10), 0.5, np.float32)
    return Prediction(np.zeros(count, np.int64), probabilities, rng.uniform(size=count).astype(np.float32) ** 2)


def test_the_likeliest_sequence_is_the_same(node):
    rng = np.random.default_rng(0)
    calls, expected = [], []
    for line in (random_line(rng) for _ in range(40)):
        groups = groups_of(line)
        prediction = random_prediction(rng, len(groups))
        plain = {"height": line.height, "followsCut": [piece.follows_cut for piece in line.pieces]}
        places = [{"first": group.first, "end": group.end, "box": group.box} for group in groups]
        probable = (prediction.digitness * prediction.confidences).tolist()
        calls.append(("lattice", "likeliest", plain, places, probable))
        calls += [("lattice", "shapeCost", place, plain) for place in places]
        expected += [likeliest(line, groups, prediction), *(shape_cost(group, line) for group in groups)]
    for one, other in zip(call(node, *calls), expected, strict=True):
        assert one == pytest.approx(other)


def test_ink_is_cut_along_the_same_slant_in_the_same_places(node):
    rng = np.random.default_rng(0)
    calls, expected = [], []
    for slant in rng.uniform(-0.8, 0.8, 20):
        ink = np.asarray(Image.fromarray(rng.uniform(size=(6, 9)).astype(np.float32)).resize((70, 40)), np.float32)
        ink = np.where(ink > 0.5, ink, 0).astype(np.float32)
        field = {"data": ink.ravel().tolist(), "width": 70, "height": 40}
        calls += [("pictures/cuts", "slantOf", field), ("pictures/cuts", "cut", field, 40, slant)]
        expected += [slant_of(ink), [part.sum() for part in cut(ink, 40, slant)]]
    for one, other in zip(call(node, *calls), expected, strict=True):
        sums = [sum(as_list(part["data"])) for part in one] if isinstance(one, list) else one
        assert sums == pytest.approx(other, rel=1e-4, abs=1e-4)


def as_list(data):
    """The numbers of a typed array, which JSON has as an object."""
    return list(data.values()) if isinstance(data, dict) else data


def test_the_rules_of_a_line_are_the_same(node):
    rng = np.random.default_rng(0)
    calls, expected = [], []
    for digitness in rng.uniform(size=(30, 3)) ** 3:
        number = [{"digitness": value} for value in digitness]
        reads = [Read((0, 0, 1, 1), 0, 1.0, value, np.zeros((28, 28), np.uint8)) for value in digitness]
        calls.append(("pages", "leastDigitness", number, 0.5))
        expected.append(least_digitness(reads, 0.5))
        middles = rng.uniform(0, 300, (12, 2))
        calls.append(("pictures/layout", "slopeOf", middles.tolist(), 60))
        expected.append(slope_of(middles, 60))
        sizes, areas = rng.integers(1, 60, (9, 2)), rng.integers(1, 500, 9)
        calls.append(("pictures/layout", "digitHeight", [(0, 0, *map(int, size)) for size in sizes], areas.tolist()))
        expected.append(digit_height(sizes[:, 1], sizes[:, 0], areas))
    assert call(node, *calls) == pytest.approx(expected)


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
