import numpy as np
import pytest
from PIL import Image

from flaxdigits.annotation import annotate
from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.lattice import Read
from flaxdigits.pages import DOUBTFUL, least_digitness, numbers_of, read_digits


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def page(mnist_test):
    """Three lines of digits of the test set: 72 104, 14 and 9; on grey paper with noise."""
    rng = np.random.default_rng(0)
    ink = np.zeros((500, 600))
    places = {0: (0, 40), 1: (0, 85), 2: (0, 250), 3: (0, 300), 4: (0, 345), 5: (1, 60), 6: (1, 110), 7: (2, 60)}
    for row, (line, left) in places.items():
        big = np.asarray(Image.fromarray(mnist_test.images[row]).resize((70, 70), Image.Resampling.BICUBIC))
        area = ink[60 + 140 * line : 130 + 140 * line, left : left + 70]
        np.maximum(area, big, out=area)
    shades = 210 - 150 * ink / 255 + rng.normal(0, 3, ink.shape)
    return np.clip(shades, 0, 255).astype(np.uint8)


def text(readings):
    lines = {}
    for reading in readings:
        if not reading.refused:
            lines.setdefault(reading.line, {}).setdefault(reading.number, []).append(str(reading.digit))
    return [["".join(digits) for digits in numbers.values()] for numbers in lines.values()]


def test_a_page_is_read_line_by_line_and_number_by_number(page, recognizer):
    assert text(read_digits(page, recognizer)) == [["72", "104"], ["14"], ["9"]]


def test_boxes_are_in_the_pixels_of_the_picture(page, recognizer):
    large = np.asarray(Image.fromarray(page).resize((3000, 2500)))
    small, found = read_digits(page, recognizer), read_digits(large, recognizer)
    assert text(found) == text(small)
    for one, other in zip(small, found, strict=True):
        assert np.abs(5 * np.array(one.box) - other.box).max() <= 15
        left, top, right, bottom = one.box
        assert page[top:bottom, left:right].min() < 100


def test_a_picture_of_one_digit_is_read_as_one(mnist_test, recognizer):
    for image, label in zip(mnist_test.images[:20], mnist_test.labels, strict=False):
        (reading,) = read_digits(255 - np.asarray(Image.fromarray(image).resize((200, 200))), recognizer)
        assert (reading.line, reading.number, reading.digit) == (1, 1, label)


def test_a_page_may_be_forced_to_be_one_digit_and_one_digit_a_page(page, few, recognizer):
    assert len(read_digits(page, recognizer, "single")) == 1
    assert len(read_digits(few.images[0], recognizer, "page")) == 1


@pytest.mark.parametrize("mode", ["auto", "single", "page"])
def test_an_empty_picture_has_no_digits(mode, recognizer):
    assert read_digits(np.full((300, 200), 200, np.uint8), recognizer, mode) == []


def test_what_is_not_a_picture_is_a_data_error(recognizer):
    with pytest.raises(DataError, match="^notes: not a picture"):
        read_digits(b"no picture", recognizer, name="notes")


def test_a_threshold_of_1_refuses_everything(page, recognizer):
    assert all(reading.refused for reading in read_digits(page, recognizer, "page", threshold=1))
    assert not any(reading.refused for reading in read_digits(page, recognizer, "page", threshold=0))


def reads(*places):
    return [
        Read((left, 0, right, 50), 1, 1.0, digitness, np.zeros((28, 28), np.uint8)) for left, right, digitness in places
    ]


def test_a_gap_of_half_the_height_separates_numbers():
    numbers = numbers_of(reads((0, 30, 1), (50, 80, 1), (106, 130, 1), (120, 150, 1)), height=50)
    assert [[read.box[0] for read in number] for number in numbers] == [[0, 50], [106, 120]]


def test_a_1_has_as_much_room_in_a_number_as_another_digit():
    numbers = numbers_of(reads((0, 30, 1), (50, 55, 1), (80, 110, 1)), height=50)
    assert len(numbers) == 1


@pytest.mark.parametrize(
    ("digitness", "least"), [([0.9, 0.9, 0.1], 0.6 * DOUBTFUL), ([0.9], 0.6), ([0.2, 0.2, 0.2], 0.6)]
)
def test_a_doubtful_digit_stands_among_digits_only(digitness, least):
    number = reads(*((30 * place, 30 * place + 20, value) for place, value in enumerate(digitness)))
    assert least_digitness(number, 0.6) == pytest.approx(least)


def test_an_annotation_draws_boxes_over_the_picture(page, recognizer):
    readings = read_digits(page, recognizer)
    drawn = np.asarray(annotate(Image.fromarray(page), readings))
    assert drawn.shape == (*page.shape, 3)
    changed = (drawn != page[..., None]).any(axis=2)
    for left, top, right, bottom in (reading.box for reading in readings):
        assert changed[top, left:right].all()
        assert changed[top:bottom, left].all()
        assert not changed[top + 3 : bottom - 3, left + 3 : right - 3].all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (3, 65), (2000, 7)])
@pytest.mark.parametrize("mode", ["auto", "single", "page"])
def test_a_picture_of_any_shape_is_read(shape, mode, recognizer):
    for picture in (np.zeros(shape, np.uint8), np.tile(np.uint8([0, 255]), shape)[:, : shape[1]]):
        for reading in read_digits(picture, recognizer, mode):
            left, top, right, bottom = reading.box
            assert 0 <= left < right <= shape[1]
            assert 0 <= top < bottom <= shape[0]


def test_a_model_without_digitness_reads_one_digit_unless_it_is_told_otherwise(page, tiny_model):
    plain = Recognizer(tiny_model)
    assert len(read_digits(page, plain)) == 1
    assert len(read_digits(page, plain, "page")) > 4


def test_a_threshold_does_not_change_what_is_found(page, recognizer):
    found, strict = read_digits(page, recognizer), read_digits(page, recognizer, threshold=1)
    assert [reading.box for reading in strict] == [reading.box for reading in found]
    assert all(reading.refused for reading in strict)
