"""Reads the digits of a picture: a single digit, or a page with lines of numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from flaxdigits.errors import DataError
from flaxdigits.extras import require
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.pictures.normalization import Box, locate, scaled_box
from flaxdigits.pictures.reading import Picture, name_of, read_grey

if TYPE_CHECKING:
    from flaxdigits.lattice import Read

Mode = Literal["auto", "single", "page"]

SMALL = 64  # longest side of a picture that must be of one digit, pixels
ALMOST = 0.9  # fraction of the page's certainty from which the reading as one digit is preferred
EVEN = 0.5  # certainty above which a reading counts for an interpretation of the page, below which against it
PARTS = 4  # most digits that may be parts of one
SURE = 0.46  # of the threshold: the mean digitness of a number's digits from which a doubtful one is accepted
DOUBTFUL = 0.004  # of the threshold: the digitness that such a doubtful digit must have
NUMBER_GAP = 0.5  # between two numbers, in heights of the line's digits
ROOM = 0.5  # minimum width of a digit, in heights: a 1 is narrow, but spaced like the others


@dataclass(frozen=True)
class Reading:
    """A digit that was read.

    Attributes:
        line: the line of the page, from 1.
        number: the number within the line, from 1.
        digit: 0 to 9.
        probability: of the digit among the ten, 0..1.
        digitness: 1 = surely a digit, 0 = surely not one.
        refused: whether it is considered not to be a digit.
        box: left, top, right, bottom, pixels of the picture, the last two exclusive; None for a digit of a data file.
        pixels: as given to the model, uint8 [28, 28], 0 = paper, 255 = ink.
    """

    line: int
    number: int
    digit: int
    probability: float
    digitness: float
    refused: bool
    box: Box | None
    pixels: np.ndarray = field(compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Returns all attributes except the pixels, by name."""
        return {name: value for name, value in vars(self).items() if name != "pixels"}


class Crop(NamedTuple):
    """A picture of one digit, normalized.

    Attributes:
        pixels: uint8 [28, 28], 0 = paper, 255 = ink.
        box: of the digit in the picture: left, top, right, bottom, pixels, the last two exclusive.
    """

    pixels: np.ndarray
    box: Box


def read_digits(
    picture: Picture,
    recognizer: Recognizer | None = None,
    mode: Mode = "auto",
    threshold: float | None = None,
    name: str | None = None,
) -> list[Reading]:
    """Reads the digits of a picture, line by line from the top, each from left to right.

    Args:
        picture: as for `read_picture`.
        recognizer: the model; the shipped one by default.
        mode: "single" for a picture of one digit, "page" for one of several; "auto" distinguishes them, and reads every
            picture as one digit if OpenCV is not installed or the model does not output the digitness.
        threshold: digitness below which a digit is refused. By default the model's, and lower for a doubtful digit
            next to others of its number.
        name: the name used in messages; by default the path.

    Returns:
        The digits, on a page including refused ones; empty if nothing stands out from the paper.

    Raises:
        DataError: if the source is not a picture.
        MissingExtraError: for a page without OpenCV.
    """
    grey = read_grey(picture, name_of(picture, name))
    return refuse(read_as(grey, recognizer or Recognizer(), mode), threshold)


def refuse(readings: list[Reading], threshold: float | None) -> list[Reading]:
    """Returns readings with exactly those below the threshold refused; unchanged without a threshold."""
    if threshold is None:
        return readings
    return [replace(reading, refused=reading.digitness < threshold) for reading in readings]


def read_as(grey: np.ndarray, recognizer: Recognizer, mode: Mode) -> list[Reading]:
    """Reads the digits of a picture as `read_digits` does, at the model's threshold.

    Args:
        grey: float32 [height, width], 0 black .. 255 white.
        recognizer: the model.
        mode: as for `read_digits`.
    """
    if mode == "page":
        return read_page(grey, recognizer)
    single = read_single(grey, recognizer)
    if is_single(grey, recognizer, mode):
        return single
    found = read_page(grey, recognizer)
    digits = [reading for reading in found if not reading.refused]
    may_be_one = len(digits) <= PARTS and all(is_inside(digit.box, one.box) for digit in digits for one in single)
    if may_be_one and certainty(single) >= ALMOST * certainty(digits):
        return single
    return found if len(digits) > 1 else digits


def is_single(grey: np.ndarray, recognizer: Recognizer, mode: Mode) -> bool:
    """Returns whether a picture is read only as one digit, not as a page too."""
    may_be_page = recognizer.threshold and max(grey.shape) > SMALL and find_spec("cv2")
    return mode == "single" or (mode == "auto" and not may_be_page)


def is_inside(inner: Box | None, outer: Box | None) -> bool:
    """Returns whether the centre of a box is inside another box."""
    assert inner is not None
    assert outer is not None
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def certainty(readings: list[Reading]) -> float:
    """Returns the mean probability that a digit is read correctly; 0 without any."""
    return sum(reading.digitness * reading.probability for reading in readings) / max(1, len(readings))


def read_single(grey: np.ndarray, recognizer: Recognizer) -> list[Reading]:
    """Reads a picture of one digit; empty if nothing stands out from the paper."""
    crop = find_crop(grey)
    return read_crops([crop], recognizer) if crop else []


def find_crop(grey: np.ndarray) -> Crop | None:
    """Normalizes a picture of one digit; None if nothing stands out from the paper."""
    try:
        return Crop(*locate(grey))
    except DataError:
        return None


def read_crops(crops: list[Crop], recognizer: Recognizer) -> list[Reading]:
    """Reads pictures of one digit each, in batches."""
    return read_images(np.stack([crop.pixels for crop in crops]), [crop.box for crop in crops], recognizer)


def read_images(images: np.ndarray, boxes: Sequence[Box | None], recognizer: Recognizer) -> list[Reading]:
    """Reads images of one digit each, in batches.

    Args:
        images: uint8 [n, 28, 28], 0 = paper, 255 = ink.
        boxes: of each digit in its picture; None for a digit of a data file.
        recognizer: the model.
    """
    found = recognizer(images)
    figures = (array.tolist() for array in (found.digits, found.confidences, found.digitness))
    return [
        Reading(1, 1, digit, probability, digitness, digitness < recognizer.threshold, box, pixels)
        for digit, probability, digitness, box, pixels in zip(*figures, boxes, images, strict=True)
    ]


def read_page(grey: np.ndarray, recognizer: Recognizer) -> list[Reading]:
    """Reads a picture of several digits.

    Args:
        grey: float32 [height, width], 0 black .. 255 white.
        recognizer: the model.
    """
    require("pages", "reading a page")
    from flaxdigits.pictures.sheet import find_sheets
    from flaxdigits.pictures.strokes import may_be_light

    ways = [(sheet, light_ink) for sheet in find_sheets(grey) for light_ink in may_be_light(sheet)]
    found = [read_sheet(*way, recognizer) for way in ways]
    return max(found, key=lambda readings: sum(certainty([reading]) - EVEN for reading in readings))


def read_sheet(grey: np.ndarray, light_ink: bool, recognizer: Recognizer) -> list[Reading]:
    """Reads a page that fills the picture."""
    from flaxdigits.lattice import read_lines
    from flaxdigits.pictures.layout import find_lines
    from flaxdigits.pictures.strokes import find_strokes

    strokes = find_strokes(grey, light_ink)
    lines = find_lines(strokes)
    found: list[Reading] = []
    for row, (line, digits) in enumerate(zip(lines, read_lines(lines, recognizer), strict=True), 1):
        for number, members in enumerate(numbers_of(digits, line.height), 1):
            least = least_digitness(members, recognizer.threshold)
            for box, digit, probability, digitness, pixels in members:
                place = scaled_box(box, strokes.ink.shape, grey.shape)
                found.append(Reading(row, number, digit, probability, digitness, digitness < least, place, pixels))
    return found


def numbers_of(digits: list["Read"], height: float) -> list[list["Read"]]:
    """Splits a line's digits into numbers at wide gaps."""
    numbers: list[list[Read]] = []
    end = -math.inf
    for digit in digits:
        left, _, right, _ = digit.box
        beside = max(0.0, ROOM * height - (right - left)) / 2
        if left - beside - end > NUMBER_GAP * height:
            numbers.append([])
        numbers[-1].append(digit)
        end = max(end, right + beside)
    return numbers


def least_digitness(number: list["Read"], threshold: float) -> float:
    """Returns the digitness below which a digit of a number is refused: lower where its neighbours are digits."""
    mean = sum(digit.digitness for digit in number) / len(number)
    return threshold * (DOUBTFUL if len(number) > 1 and mean >= SURE * threshold else 1)
