"""Annotation: the boxes and digits that were read, drawn over the picture."""

import numpy as np
from PIL import Image, ImageDraw

from flaxdigits.inference.contract import THRESHOLD
from flaxdigits.pages import Reading
from flaxdigits.pictures.normalization import Box
from flaxdigits.pictures.reading import to_grey

READ, REFUSED = (0, 112, 192), (208, 32, 32)  # red, green, blue
TEXT, SMALLEST_TEXT = 0.5, 14.0  # height of a digit's label, in heights of its box, and the minimum in pixels
DOUBTFUL = 0.9  # probability below which a digit has a question mark
LINE = 400  # the picture's longest side, in line widths of a box


def annotate(picture: Image.Image, readings: list[Reading]) -> Image.Image:
    """Returns a copy of a picture with a box and the digit for each reading; refused ones are red, without a digit."""
    simple = picture.mode in ("1", "L", "P", "RGB", "CMYK", "YCbCr") and not picture.has_transparency_data
    drawn = picture.convert("RGB") if simple else Image.fromarray(np.uint8(np.rint(to_grey(picture)))).convert("RGB")
    draw = ImageDraw.Draw(drawn)
    width = max(1, round(max(drawn.size) / LINE))
    for reading in readings:
        if reading.box:
            colour = REFUSED if reading.refused else READ
            draw.rectangle(reading.box, outline=colour, width=width)
            if not reading.refused:
                draw_label(draw, reading, reading.box, width)
    return drawn


def draw_label(draw: ImageDraw.ImageDraw, reading: Reading, box: Box, width: int) -> None:
    """Draws a digit above its box, or inside it at the picture's upper edge; with a question mark if it is doubtful."""
    left, top, _, bottom = box
    text = f"{reading.digit}?" if is_doubtful(reading) else str(reading.digit)
    size = max(SMALLEST_TEXT, TEXT * (bottom - top))
    label = draw.textbbox((left, top), text, font_size=size, anchor="ld")
    down = max(0, width - label[1])
    draw.rectangle((label[0] - width, label[1] - width + down, label[2] + width, top + down), fill=READ)
    draw.text((left, top + down), text, fill="white", font_size=size, anchor="ld")


def is_doubtful(reading: Reading) -> bool:
    """Returns whether a digit should be checked by a person."""
    return reading.probability < DOUBTFUL or reading.digitness < THRESHOLD
