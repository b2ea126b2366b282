"""Annotation: the boxes and digits of a reading, drawn over the picture."""

import numpy as np
from PIL import Image, ImageDraw

from flaxdigits.pages import Reading
from flaxdigits.pictures.reading import to_grey

READ, REFUSED = (0, 112, 192), (208, 32, 32)  # red, green, blue
TEXT, SMALLEST_TEXT = 0.5, 14.0  # height of a digit's label, in heights of its box, and the least in pixels
LINE = 400  # of the picture's longest side, the width of a box's line


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
                left, top, _, bottom = reading.box
                size = max(SMALLEST_TEXT, TEXT * (bottom - top))
                label = draw.textbbox((left, top), str(reading.digit), font_size=size, anchor="ld")
                draw.rectangle((label[0] - width, label[1] - width, label[2] + width, top), fill=colour)
                draw.text((left, top), str(reading.digit), fill="white", font_size=size, anchor="ld")
    return drawn
