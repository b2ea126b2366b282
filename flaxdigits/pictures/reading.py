"""Pictures of one digit, from files, bytes, Pillow or arrays -> 28x28 pixels in MNIST's convention."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from flaxdigits.errors import DataError
from flaxdigits.pictures.normalization import to_mnist

PictureFile = Path | str | bytes | BinaryIO
Picture = PictureFile | Image.Image | np.ndarray

PROGRAMS = ("EPS",)  # formats that are programs: Pillow hands them to Ghostscript
ORIENTATION = 0x0112  # the EXIF tag
HEIC = (".heic", ".heif")
# Pillow's own table of suffixes imports 40 modules when it is filled, and holds formats that it cannot decode.
USUAL_SUFFIXES = frozenset(
    {*HEIC, ".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
)


def picture_files(folder: Path) -> list[Path]:
    """Lists the pictures in a folder, sorted by name; empty if it does not exist.

    A file with a usual suffix is listed without opening it, so that a damaged picture is reported, not skipped.
    Any other file is listed if Pillow identifies its content. Hidden files are left out.

    Raises:
        DataError: if the folder cannot be listed.
    """
    if not folder.is_dir():
        return []
    try:
        files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    return sorted(file for file in files if file.suffix.lower() in USUAL_SUFFIXES or is_picture(file))


def is_picture(source: Path | bytes) -> bool:
    """Returns whether Pillow identifies a file, or its content, as a picture; only its header is read."""
    try:
        with warnings.catch_warnings(action="ignore"), _open(source):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # see _decodable
        return False


def read_picture(source: Picture, name: str | None = None) -> np.ndarray:
    """Reads a picture of one digit, of any size and either polarity.

    Args:
        source: a path or an open file, in any format that Pillow reads, or its bytes, a Pillow image, or an array:
            grey [height, width] or colour [height, width, 3 or 4], 0 black .. 255 white, 4 with opacity.
        name: the name used in messages; by default the path.

    Returns:
        uint8 [28, 28], 0 = paper, 255 = ink.

    Raises:
        DataError: if the source is not a picture, or there is no digit in it.
    """
    return to_mnist(read_grey(source, name), name_of(source, name))


def read_grey(source: Picture, name: str | None = None) -> np.ndarray:
    """Reads a picture like `read_picture`, but does not normalize it: float32 [height, width], 0 black .. 255 white.

    Raises:
        DataError: if the source is not a picture.
    """
    name = name_of(source, name)
    if not (isinstance(source, Path | str | bytes | Image.Image | np.ndarray) or hasattr(source, "read")):
        raise DataError(f"{name}: expected a path, bytes, a Pillow image or an array, got {type(source).__name__}")
    if isinstance(source, np.ndarray):
        return _array_to_grey(source, name)
    with _decodable(name):
        grey = _decode(source)
    if not np.isfinite(grey).all():  # a TIFF of floats may hold anything
        raise DataError(f"{name}: expected finite pixels, got NaN or infinity")
    return grey


def read_image(source: PictureFile, name: str | None = None) -> Image.Image:
    """Reads a picture as a Pillow image, upright.

    Raises:
        DataError: if the source is not a picture.
    """
    with _decodable(name_of(source, name)), _open(source) as image:
        return upright(image).copy()


def name_of(source: Picture, name: str | None) -> str:
    """Returns the name of a picture in messages."""
    return name or (str(source) if isinstance(source, str | Path) else "picture")


def _decode(source: PictureFile | Image.Image) -> np.ndarray:
    if isinstance(source, Image.Image):
        return to_grey(upright(source))
    with _open(source) as image:
        return to_grey(upright(image))


def _open(source: PictureFile) -> Image.Image:
    """Opens a picture with Pillow, HEIC with pillow-heif if that is installed."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        if not find_spec("pillow_heif"):
            raise
        from pillow_heif import register_heif_opener  # takes 50 ms, which other formats need not wait for

        register_heif_opener()
        return Image.open(file)
    if image.format in PROGRAMS:
        image.close()
        raise UnidentifiedImageError
    return image


@contextmanager
def _decodable(name: str) -> Iterator[None]:
    """Turns Pillow's errors into a DataError, and silences its warnings."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DataError(f"{name}: more than {limit:,} pixels; scale it down first") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: not a picture that can be read", _hint(name.lower())) from error
    except Exception as error:  # Pillow's decoders have no common one for damaged data; AVIF's is RuntimeError
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{name}: {reason or type(error).__name__}") from error


def _hint(name: str) -> str:
    """Returns what to do with a file that Pillow cannot identify, by its name in lower case."""
    if name.endswith(HEIC) and not find_spec("pillow_heif"):
        return "HEIC, a phone's format, needs pillow-heif: pip install pillow-heif"
    if name.endswith(".parquet"):
        return "Parquet is read by: flaxdigits predict --engine ray --out DIR FILE"
    return ""


def upright(image: Image.Image) -> Image.Image:
    """Rotates a photograph according to its EXIF orientation."""
    if image.getexif().get(ORIENTATION, 1) == 1:
        return image
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def to_grey(image: Image.Image) -> np.ndarray:
    """Converts a Pillow image of any mode to float32 [height, width], 0 black .. 255 white.

    Transparent pixels become white under dark strokes and black under light ones.
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


def _array_to_grey(array: np.ndarray, name: str) -> np.ndarray:
    """Converts an array of pixels, 0..255, to float32 [height, width]; colour is rounded to uint8 first."""
    is_grey = array.ndim == 2
    if not (is_grey or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise DataError(f"{name}: expected [height, width] or [height, width, 3 or 4], got {list(array.shape)}")
    if array.dtype.kind not in "uif":
        raise DataError(f"{name}: expected pixels as uint8 or float, got {array.dtype}")
    if not (array.min() >= 0 and array.max() <= 255):  # NaN compares false
        raise DataError(f"{name}: expected pixels from 0 to 255, got {array.min()} to {array.max()}")
    if array.dtype.kind == "f" and array.max() <= 1:
        raise DataError(f"{name}: expected pixels from 0 to 255, got at most {array.max()}", "multiply them by 255")
    return array.astype(np.float32) if is_grey else to_grey(Image.fromarray(np.rint(array).astype(np.uint8)))
