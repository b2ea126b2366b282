"""MNIST's convention: the size of a digit's image, and the number of classes."""

import numpy as np

SIDE = 28  # pixels along each side of an image
PIXELS = SIDE * SIDE
CLASSES = 10
INK = 255  # full ink; 0 is paper
CENTRE = SIDE / 2  # where the centre of mass lies, pixels from 0


def is_images(array: object) -> bool:
    """Returns whether something is an array of images in the convention: uint8 [n, 28, 28]."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype == np.uint8
        and array.ndim == 3
        and array.shape[1:] == (SIDE, SIDE)
    )
