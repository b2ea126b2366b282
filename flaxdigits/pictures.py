"""Any picture of one digit -> 28x28 pixels in MNIST's convention.

MNIST's digits are white on black, scaled to fit a 20x20 box, and placed so that their centre of
mass lies in the middle of the 28x28 field (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
handwritten digits", 1998). Measured on its 60,000 training digits: the longer side is 20 pixels
in 59,987 of them and 19 in the rest; the mean centre of mass is (14.00, 14.01), counted from 0,
and spreads as whole-pixel rounding does. exports/web/pictures.js does the same, function by function.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from flaxdigits.contract import SIDE
from flaxdigits.errors import DataError
from flaxdigits.ink import FAINTEST, find_ink

BOX = 20  # longest side of a digit, pixels
CENTRE = SIDE // 2  # where the centre of mass goes, pixels from 0
EDGE = 0.2  # share of the strongest ink from which a pixel counts toward the digit's box
ORIENTATION = 0x0112  # the EXIF tag
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})


def picture_files(folder: Path) -> list[Path]:
    """Lists the pictures that lie in a folder, by name; none where it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def read_picture(source: Path | str | bytes, name: str | None = None) -> np.ndarray:
    """Reads a picture file and brings it to MNIST's convention.

    Args:
        source: a file in any format that Pillow reads, or its bytes.
        name: how messages call it; the path, when left out.

    Returns:
        uint8 [28, 28], 0 = paper, 255 = ink.

    Raises:
        DataError: where the file is no picture, or there is no digit in it.
    """
    name = name or ("picture" if isinstance(source, bytes) else str(source))
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image,
        ):
            grey = to_grey(upright(image))
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{name}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; scale it down first"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: not a picture that can be read") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
    return to_mnist(grey, name)


def upright(image: Image.Image) -> Image.Image:
    """Turns a photograph the way its camera says it was held."""
    if image.getexif().get(ORIENTATION, 1) == 1:
        return image
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def to_grey(image: Image.Image) -> np.ndarray:
    """Turns a Pillow image of any mode into float32 [height, width], 0 black .. 255 white.

    What is transparent becomes white under dark strokes and black under light ones.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        wide = np.asarray(image, np.float32)
        return wide * (255 / 65535) if wide.max() > 255 else wide
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"), np.float32)
    grey, alpha = (np.asarray(band, np.float32) for band in image.convert("LA").split())
    opacity = alpha / 255
    strokes = (grey * opacity).sum() / max(opacity.sum(), 1)
    return grey * opacity + (255 if strokes < 128 else 0) * (1 - opacity)


def to_mnist(grey: np.ndarray, name: str = "picture") -> np.ndarray:
    """Brings a grey picture of one digit, of any size and either polarity, to MNIST's convention.

    Args:
        grey: float or uint8 [height, width], 0 black .. 255 white.
        name: how messages call it.

    Returns:
        uint8 [28, 28], 0 = paper, 255 = ink. A 28x28 picture in the convention already,
        or its negative, comes back with its pixels as they were.

    Raises:
        DataError: where nothing stands out from the paper.
    """
    ink = find_ink(np.asarray(grey, np.float32))
    if ink.max(initial=0) < FAINTEST:
        raise DataError(f"{name}: no digit stands out from the paper")
    if ink.shape == (SIDE, SIDE) and keeps_convention(ink):
        return np.rint(ink).astype(np.uint8)
    return centre(fit_box(ink))


def keeps_convention(ink: np.ndarray) -> bool:
    """Whether 28x28 pixels hold a digit whose box and centre of mass are as MNIST's are."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis)) for axis in (1, 0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    return bool(BOX - 1 <= longest <= BOX and np.all(np.abs(centre_of_mass(ink) - CENTRE) <= 1))


def centre_of_mass(ink: np.ndarray) -> np.ndarray:
    """Returns the centre of mass as (row, column), pixels from 0."""
    rows, columns = np.indices(ink.shape)
    return np.array([(ink * rows).sum(), (ink * columns).sum()]) / ink.sum()


def fit_box(ink: np.ndarray) -> np.ndarray:
    """Crops the digit and scales it so that its longer side is 20 pixels and its strongest ink 255."""
    strong = ink >= EDGE * ink.max()
    rows, columns = (np.flatnonzero(strong.any(axis=axis)) for axis in (1, 0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(side * BOX / max(digit.shape))) for side in digit.shape)
    scaled = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BOX))
    return np.clip(scaled * (255 / scaled.max()), 0, 255)


def centre(digit: np.ndarray) -> np.ndarray:
    """Places a digit of at most 20x20 so that its centre of mass is in the middle, uint8 [28, 28].

    The shift is in whole pixels, as MNIST's is, and never pushes ink out of the field.
    """
    corner = np.rint(CENTRE - centre_of_mass(digit)).astype(int)
    top, left = np.clip(corner, 0, SIDE - np.array(digit.shape))
    field = np.zeros((SIDE, SIDE), np.uint8)
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = np.rint(digit)
    return field
