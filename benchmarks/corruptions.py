"""What can happen to a digit on its way to the network: corruptions of images, for the table of robustness.py.

In the spirit of N. Mu, J. Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019, with severities of our
own: where the training deforms digits in the same way, they go beyond it, and a person can still read the digits.
Every function takes uint8 [n, 28, 28], 0 = paper, 255 = ink, and returns the same; the generator decides what is
random, so that the same seed gives the same bytes.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from flaxdigits.contract import CENTRE, SIDE

NOISE = 64  # standard deviation, grey levels of 255
SPECKS = 0.1  # share of the pixels, half of them ink and half paper
BLUR = 1.2  # standard deviation of the Gaussian, pixels
ROTATION = 30  # degrees, either way
SHIFT = 4  # whole pixels, in each direction by itself
SCALE = (0.7, 1.3)  # factor of the size
SHEAR = 0.4  # pixels sideways per pixel of height, either way
ELASTIC = 1.6  # standard deviation of the displacement, pixels; at 2 some digits are gone
SMOOTHNESS = 4.0  # how far displacements go together, pixels (Simard's sigma)
PATCH = 5  # side of the piece of paper, pixels; odd; 7 makes a riddle of some 4s and 9s
AROUND = 4  # how far its centre lies from the image's, pixels at most, in each direction by itself
CONTRAST = 0.5  # share of the ink that is left

CROSS = ndimage.generate_binary_structure(2, 1)[None]  # a pixel and its four neighbours, of one image

Images = UInt8[np.ndarray, "n 28 28"]
Field = Float[np.ndarray, "n 28 28"]


def none(images: Images, rng: np.random.Generator) -> Images:
    return images


def noise(images: Images, rng: np.random.Generator) -> Images:
    return rounded(images + rng.normal(0, NOISE, images.shape))


def salt_and_pepper(images: Images, rng: np.random.Generator) -> Images:
    draw = rng.uniform(size=images.shape)
    return np.select([draw < SPECKS / 2, draw < SPECKS], [np.uint8(0), np.uint8(255)], images)


def blur(images: Images, rng: np.random.Generator) -> Images:
    return rounded(ndimage.gaussian_filter(images.astype(float), (0, BLUR, BLUR), mode="constant"))


def thin(images: Images, rng: np.random.Generator) -> Images:
    """Leaves each pixel the least ink of itself and of three neighbours, above and left: strokes lose a pixel."""
    return ndimage.grey_erosion(images, size=(1, 2, 2), mode="constant")  # size 3 would leave nothing of a fine pen


def thick(images: Images, rng: np.random.Generator) -> Images:
    """Gives each pixel the most ink of itself and its four neighbours: strokes gain two pixels."""
    return ndimage.grey_dilation(images, footprint=CROSS, mode="constant")


def rotation(images: Images, rng: np.random.Generator) -> Images:
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION, len(images)))
    cosine, sine = np.cos(angle), np.sin(angle)
    return mapped(images, np.array([[cosine, sine], [-sine, cosine]]))


def shift(images: Images, rng: np.random.Generator) -> Images:
    down, right = rng.integers(-SHIFT, SHIFT, (2, len(images), 1, 1), endpoint=True)
    rows, columns = places(len(images))
    return sampled(images, rows - down, columns - right)


def scale(images: Images, rng: np.random.Generator) -> Images:
    factor = rng.uniform(*SCALE, len(images))
    return mapped(images, np.eye(2)[:, :, None] / factor)


def shear(images: Images, rng: np.random.Generator) -> Images:
    slant = rng.uniform(-SHEAR, SHEAR, len(images))
    one, zero = np.ones(len(images)), np.zeros(len(images))
    return mapped(images, np.array([[one, zero], [slant, one]]))


def elastic(images: Images, rng: np.random.Generator) -> Images:
    rows, columns = places(len(images))
    return sampled(images, rows + displacement(len(images), rng), columns + displacement(len(images), rng))


def occlusion(images: Images, rng: np.random.Generator) -> Images:
    """Lays a square of paper over the middle of each image."""
    centres = SIDE // 2 + rng.integers(-AROUND, AROUND, (2, len(images), 1, 1), endpoint=True)
    rows, columns = np.abs(np.stack(places(len(images))) - centres) <= PATCH // 2
    return np.where(rows & columns, np.uint8(0), images)


def contrast(images: Images, rng: np.random.Generator) -> Images:
    return rounded(CONTRAST * images)


CORRUPTIONS: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    "none": none,
    "noise": noise,
    "salt and pepper": salt_and_pepper,
    "blur": blur,
    "thin": thin,
    "thick": thick,
    "rotation": rotation,
    "shift": shift,
    "scale": scale,
    "shear": shear,
    "elastic": elastic,
    "occlusion": occlusion,
    "contrast": contrast,
}


def rounded(pixels: Field) -> Images:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def places(count: int) -> tuple[Field, Field]:
    """Returns the row and the column of each pixel of that many images."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    return np.broadcast_to(rows, (count, SIDE, SIDE)), np.broadcast_to(columns, (count, SIDE, SIDE))


def mapped(images: Images, matrices: Float[np.ndarray, "2 2 n"]) -> Images:
    """Looks up where each new pixel comes from, (row, column) times a matrix, about the centre."""
    from_centre = np.stack(places(len(images))) - CENTRE
    rows, columns = np.einsum("ijn,jnyx->inyx", matrices, from_centre) + CENTRE
    return sampled(images, rows, columns)


def displacement(count: int, rng: np.random.Generator) -> Field:
    """Returns how far each pixel goes in one direction: white noise smoothed by a Gaussian.

    P. Simard, D. Steinkraus, J. Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document
    Analysis", 2003. The Gaussian leaves white noise of deviation 1 with 1 / (2 sqrt(pi) sigma).
    """
    white = rng.normal(0, ELASTIC * 2 * np.sqrt(np.pi) * SMOOTHNESS, (count, SIDE, SIDE))
    # Going round at the edges keeps the deviation the same in every pixel.
    return ndimage.gaussian_filter(white, (0, SMOOTHNESS, SMOOTHNESS), mode="wrap")


def sampled(images: Images, rows: Field, columns: Field) -> Images:
    """Reads each image at fractional places, by bilinear interpolation; what comes from outside is paper."""
    which = np.broadcast_to(np.arange(len(images))[:, None, None], rows.shape)
    return rounded(ndimage.map_coordinates(images.astype(float), [which, rows, columns], order=1, mode="grid-constant"))
