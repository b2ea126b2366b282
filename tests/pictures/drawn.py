"""Pictures of MNIST digits as people make them."""

import io

import numpy as np
from PIL import Image

NOISE = np.random.default_rng(0)


def encode(pixels, form="PNG", **options):
    content = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(content, form, **options)
    return content.getvalue()


def upscaled(image):
    return np.kron(image, np.ones((10, 10), np.uint8))


def paper(image):
    return 255 - upscaled(image)


def on_sheet(image, row, column, shade=255):
    sheet = np.full((900, 700), shade, np.uint8)
    sheet[row : row + 280, column : column + 280] = np.minimum(paper(image), shade)
    return sheet


def noisy(pixels, spread):
    return np.clip(pixels + NOISE.normal(0, spread, pixels.shape), 0, 255).astype(np.uint8)


def with_alpha(strokes, shade):
    return np.stack([np.full_like(strokes, shade)] * 3 + [strokes], axis=-1)


def rotated(image):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees clockwise for display
    upright = Image.fromarray(paper(image))
    return encode(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


def cropped(image):
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def distance(found, expected):
    """Mean absolute difference of the pixels at the best shift by at most one pixel.

    Rounding of the centre of mass shifts a digit by one, in MNIST as well.
    """
    moved = [np.roll(found, (rows, columns), (0, 1)) for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
    return min(np.abs(image.astype(int) - expected).mean() for image in moved)
