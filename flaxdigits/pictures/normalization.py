"""MNIST's normalization: size, position and polarity of a digit.

MNIST's digits are white on black, scaled to fit a 20x20 box, and placed so that their centre of
mass lies in the middle of the 28x28 image (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
handwritten digits", 1998). Measured on its 60,000 training digits: the longer side is 20 pixels
in 59,987 of them and 19 in the rest; the mean centre of mass is (14.00, 14.01), counted from 0,
and varies as expected from rounding to whole pixels. exports/web/pictures/normalization.js does
the same, function by function.
"""

import numpy as np
from PIL import Image

from flaxdigits.convention import CENTRE, SIDE
from flaxdigits.errors import DataError
from flaxdigits.pictures.ink import FAINTEST, find_ink

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels; the last two are exclusive

BOX = 20  # longest side of a digit, pixels
EDGE = 0.2  # share of the strongest ink from which a pixel counts toward the digit's bounding box


def to_mnist(grey: np.ndarray, name: str = "picture") -> np.ndarray:
    """Normalizes a grey picture of one digit, of any size and either polarity, like MNIST's.

    Args:
        grey: float or uint8 [height, width], 0 black .. 255 white.
        name: the name used in messages.

    Returns:
        uint8 [28, 28], 0 = paper, 255 = ink. A 28x28 picture that already follows the
        convention, or its negative, keeps its pixels.

    Raises:
        DataError: if nothing stands out from the paper.
    """
    return locate(grey, name)[0]


def locate(grey: np.ndarray, name: str = "picture") -> tuple[np.ndarray, Box]:
    """Normalizes a picture as `to_mnist` does, and returns the digit's box in the picture's pixels as well."""
    ink = find_ink(np.asarray(grey, np.float32))
    if ink.max(initial=0) < FAINTEST:
        raise DataError(f"{name}: no digit stands out from the paper")
    keeps = ink.shape == (SIDE, SIDE) and keeps_convention(ink)
    pixels = np.rint(ink).astype(np.uint8) if keeps else centre(fit_box(ink))
    return pixels, scaled_box(ink_box(ink), ink.shape, grey.shape)


def keeps_convention(ink: np.ndarray) -> bool:
    """Returns whether the bounding box and the centre of mass of a 28x28 digit are as in MNIST."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis)) for axis in (1, 0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    return bool(BOX - 1 <= longest <= BOX and np.all(np.abs(centre_of_mass(ink) - CENTRE) <= 1))


def centre_of_mass(ink: np.ndarray) -> np.ndarray:
    """Returns the centre of mass as (row, column), pixels from 0."""
    rows, columns = np.indices(ink.shape)
    return np.array([(ink * rows).sum(), (ink * columns).sum()]) / ink.sum()


def ink_box(ink: np.ndarray) -> Box:
    """Returns the box around the ink that is not faint."""
    strong = ink >= EDGE * ink.max()
    rows, columns = (np.flatnonzero(strong.any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def scaled_box(box: Box, shape: tuple[int, ...], larger: tuple[int, ...]) -> Box:
    """Returns a box in an array of one shape, (height, width), scaled to an array of another."""
    down, across = (side / other for side, other in zip(larger, shape, strict=True))
    left, top, right, bottom = box
    return round(left * across), round(top * down), round(right * across), round(bottom * down)


def fit_box(ink: np.ndarray) -> np.ndarray:
    """Crops the digit and scales it so that its longer side is 20 pixels and its strongest ink 255."""
    left, top, right, bottom = ink_box(ink)
    digit = ink[top:bottom, left:right]
    height, width = (max(1, round(side * BOX / max(digit.shape))) for side in digit.shape)
    scaled = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BOX))
    return np.clip(scaled * (255 / scaled.max()), 0, 255)


def centre(digit: np.ndarray) -> np.ndarray:
    """Places a digit of at most 20x20 so that its centre of mass is in the middle, uint8 [28, 28].

    The shift is in whole pixels, as in MNIST, and never moves ink out of the image.
    """
    corner = np.rint(CENTRE - centre_of_mass(digit)).astype(int)
    top, left = np.clip(corner, 0, SIDE - np.array(digit.shape))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = np.rint(digit)
    return image
