"""Labelling: sorts the digits of pictures into folders by predicted label, to be corrected and trained on."""

import io
from pathlib import Path
from zlib import crc32

from PIL import Image

from flaxdigits import atomic
from flaxdigits.convention import CLASSES, SIDE
from flaxdigits.pages import Reading

NONE = "none"  # the folder for refused digits, which are not trained on
FOLDERS = (*map(str, range(CLASSES)), NONE)
SCALE = 4  # enlargement of a digit in its file, so that a person can see it


def save_labelled(name: str, readings: list[Reading], out: Path) -> int:
    """Writes each digit of a picture to a file of its own, in the folder of its label, 0 to 9, or `none`.

    A digit that is already in one of these folders, perhaps corrected, is left there.

    Args:
        name: the name of the picture; a file's name begins with it and ends with a checksum of its digit.
        readings: the picture's digits.
        out: the parent of these folders.

    Returns:
        The number of files written.
    """
    stem, written = Path(name).name.replace(":", "-"), 0  # the row of a data file follows a colon
    for reading in readings:
        file = f"{stem}-{crc32(reading.pixels.tobytes()):08x}.png"
        if not any((out / folder / file).exists() for folder in FOLDERS):
            atomic.write_bytes(out / (NONE if reading.refused else str(reading.digit)) / file, as_png(reading))
            written += 1
    return written


def as_png(reading: Reading) -> bytes:
    """Returns a digit as given to the model, dark on white and enlarged, as the content of a PNG file."""
    picture = Image.fromarray(255 - reading.pixels).resize((SCALE * SIDE, SCALE * SIDE), Image.Resampling.NEAREST)
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
