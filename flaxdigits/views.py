"""Views: a digit seen a little bent, several times, for a model whose answers are then averaged.

The views are the same for every digit: small affine maps about the centre, drawn once from a fixed seed,
after the digit as it is. P. Simard, D. Steinkraus, J. Platt trained on such maps (2003); D. Ciresan et al.
("Multi-column Deep Neural Networks for Image Classification", 2012) averaged over differently prepared digits.
"""

import numpy as np

from flaxdigits.contract import CENTRE, SIDE
from flaxdigits.errors import ConfigError
from flaxdigits.evaluation import SMALLEST
from flaxdigits.recognizer import Answer, Recognizer

ROTATION = 6.0  # degrees, at most, either way
SHEAR = 0.08  # pixels sideways per pixel of height
SCALE = 0.06  # natural logarithm of the factor, in each direction by itself
SHIFT = 0.5  # pixels, in each direction by itself


def view_grids(count: int) -> np.ndarray:
    """Returns where each pixel of each view comes from.

    Args:
        count: how many views; the first is the digit as it is.

    Returns:
        Column and row, in pixels from 0, float32 [count, 28, 28, 2].

    Raises:
        ConfigError: for a count below 1.
    """
    if count < 1:
        raise ConfigError(f"views: expected 1 or more, got {count}")
    draw = np.random.default_rng(0).uniform(-1, 1, (count, 6, 1, 1))
    draw[0] = 0
    angle = np.deg2rad(ROTATION) * draw[:, 0]
    y, x = np.arange(SIDE)[:, None] - CENTRE, np.arange(SIDE)[None, :] - CENTRE
    rows = (np.cos(angle) * y + np.sin(angle) * x) * np.exp(SCALE * draw[:, 1])
    columns = (np.cos(angle) * x - np.sin(angle) * y) * np.exp(SCALE * draw[:, 2]) + SHEAR * draw[:, 3] * rows
    places = [columns + CENTRE + SHIFT * draw[:, 4], rows + CENTRE + SHIFT * draw[:, 5]]
    return np.stack(places, axis=-1).astype(np.float32)


def view(images: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Looks at digits through one view, by bilinear interpolation; outside it is paper.

    Args:
        images: uint8 [n, 28, 28].
        grid: one of `view_grids`, [28, 28, 2].

    Returns:
        Pixels in 0..255, float32 [n, 28, 28].
    """
    columns, rows = np.clip(grid[..., 0] + 1, 0, SIDE + 1), np.clip(grid[..., 1] + 1, 0, SIDE + 1)
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2))).astype(np.float32)
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    right, down = np.float32(columns - left), np.float32(rows - top)
    above = padded[:, top, left] * (1 - right) + padded[:, top, left + 1] * right
    below = padded[:, top + 1, left] * (1 - right) + padded[:, top + 1, left + 1] * right
    return above * (1 - down) + below * down


class AveragingRecognizer:
    """A recognizer that reads several views of each digit and averages what it thinks of them.

    The mean is of the logarithms of the probabilities, as in a file that was exported with views; here the views are
    rounded to bytes, which a model takes.

    Args:
        recognizer: what reads each view.
        views: how many of each digit, 1 or more.
    """

    def __init__(self, recognizer: Recognizer, views: int) -> None:
        self.path, self.metadata = f"{recognizer.path}, {views} views", recognizer.metadata
        self._recognizer, self._grids = recognizer, view_grids(views)

    def __call__(self, images: np.ndarray) -> Answer:
        """Reads digits, uint8 [n, 28, 28]."""
        views = (np.rint(view(images, grid)).astype(np.uint8) for grid in self._grids)
        logs = [np.log(np.maximum(self._recognizer(seen).probabilities, SMALLEST)) for seen in views]
        powers = np.exp(np.mean(logs, axis=0))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        return Answer(probabilities.argmax(axis=1), probabilities)
