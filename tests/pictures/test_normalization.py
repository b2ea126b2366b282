import json

import numpy as np
import pytest
from drawn import NOISE, cropped, distance, encode, noisy, paper

from flaxdigits.errors import DataError
from flaxdigits.inference import shipped
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pictures.normalization import to_mnist
from flaxdigits.pictures.reading import read_picture


def test_mnist_digits_and_their_negatives_keep_their_pixels(mnist_test):
    for image in mnist_test.images[:1000]:
        assert np.array_equal(to_mnist(image), image)
        assert np.array_equal(to_mnist(255 - image), image)


def test_a_picture_cropped_to_its_digit_becomes_the_digit(mnist_test):
    # Half of the edge is ink then, so the shade of the paper is wrong for a few.
    missed = 0
    for image in mnist_test.images[:50]:
        try:
            missed += distance(to_mnist(paper(cropped(image))), image) > 3
        except DataError:
            missed += 1
    assert missed <= 2


def test_a_digit_off_centre_in_28x28_is_centred(few):
    for image in few.images:
        if not image[:2].any() and not image[:, -2:].any():
            assert distance(to_mnist(np.roll(image, (-2, 2), (0, 1))), image) < 1


EMPTY = {
    "white": np.full((50, 40), 255, np.uint8),
    "black": np.zeros((50, 40), np.uint8),
    "one pixel": np.zeros((1, 1), np.uint8),
    "fully transparent": np.zeros((30, 30, 4), np.uint8),
    "faint": np.where(np.arange(50 * 40).reshape(50, 40) == 1020, 232, 255).astype(np.uint8),
    "noise": NOISE.normal(128, 3, (100, 100)).astype(np.uint8),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_picture_is_a_data_error(kind):
    with pytest.raises(DataError, match=f"^{kind}: no digit"):
        read_picture(encode(EMPTY[kind]), kind)


def light(kind, size=360):
    """Relative illumination of each pixel of a sheet."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    return {
        "a lamp on one side": 1 + 0.6 * x,
        "the shadow of a hand": 1 - 0.4 / (1 + np.exp(-12 * (x + y))),
        "dark corners": 1 - 0.8 * (x**2 + y**2),
        "ruled lines": np.where(np.arange(size)[:, None] % 40 < 2, 0.75, 1 + 0 * x),
        "squared paper under a lamp": np.where((np.mgrid[:size, :size] % 40 < 2).any(axis=0), 0.75, 1) * (1 + 0.4 * y),
    }[kind]


def photograph(image, kind):
    ink = np.zeros((360, 360))
    ink[60:284, 80:304] = np.kron(image, np.ones((8, 8))) / 255
    return noisy(200 * light(kind) * (1 - 0.7 * ink), 5)


PHOTOGRAPHS = (
    "a lamp on one side",
    "the shadow of a hand",
    "dark corners",
    "ruled lines",
    "squared paper under a lamp",
)


@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_at_most_one_of_20_photographed_digits_is_misclassified(few, kind):
    found = [to_mnist(photograph(image, kind), kind) for image in few.images]
    assert (Recognizer()(np.stack(found)).digits != few.labels).sum() <= 1


@pytest.mark.parametrize("kind", ["a lamp on one side", "dark corners"])
def test_a_photograph_of_an_empty_sheet_is_a_data_error(kind):
    with pytest.raises(DataError, match="no digit"):
        to_mnist(photograph(np.zeros((28, 28)), kind))


def test_the_golden_pictures_give_their_golden_pixels():
    golden = json.loads((shipped.GOLDEN / "pictures.json").read_text())
    expected = np.fromfile(shipped.GOLDEN / golden["pixels"], np.uint8).reshape(golden["shape"])
    for file, pixels in zip(golden["pictures"], expected, strict=True):
        assert np.array_equal(read_picture(shipped.GOLDEN / file), pixels), file
    for file in golden["blank"]:
        with pytest.raises(DataError, match="no digit"):
            read_picture(shipped.GOLDEN / file)
