"""Segmentation of a picture into ink and paper.

exports/web/pictures/ink.js does the same, step by step; tests/web/test_web_pictures.py compares the two.
"""

import numpy as np
from PIL import Image

FAINTEST = 24  # minimum difference of ink from the paper, of 255
NOISE_MARGIN = 5.0  # minimum difference of ink from the paper, in median absolute deviations of the paper
EVEN_SHARE = 0.99  # share of the picture's edge that must be close to the paper's shade for the paper to count as even
PHOTO_SIDE = 112  # longest side to which a picture with uneven paper is scaled: four pixels for each of the 28
PHOTO_WINDOW = 0.35  # radius of the mean that estimates the paper's shade, as a share of the longest side
PHOTO_INK = 0.4  # share of the strongest ink; on uneven paper, fainter pixels are shadow or ruled lines
PHOTO_PASSES = 3  # iterations that exclude the ink from the paper's mean
STROKE_EDGE = 4  # pixels around a stroke, of those 112, that hold its soft edge


def find_ink(grey: np.ndarray) -> np.ndarray:
    """Returns the difference of each pixel from the paper where it is ink, and 0 elsewhere.

    The paper's shade is the median along the edge of the picture; ink is darker or lighter than
    it, whichever differs more. Differences within the paper's own variation along the edge, such
    as a camera's noise, are not ink. If the edge is uneven, as in a photograph with a shadow or of
    ruled paper, the paper's shade is estimated around each pixel.

    Args:
        grey: float32 [height, width], 0 black .. 255 white.

    Returns:
        float32 in 0..255, [height, width] of the picture, or smaller if the paper is uneven.
    """
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = quantile(edge, 0.5)
    off = np.abs(edge - paper)
    darker = paper - grey.min() > grey.max() - paper
    noise = quantile(off, 0.5)  # 0 in drawings and screenshots, never in a photograph
    if noise >= 1 and max(grey.shape) > PHOTO_SIDE and quantile(off, EVEN_SHARE) >= FAINTEST:
        return find_ink_on_uneven(shrink(grey if darker else 255 - grey))
    ink = np.clip(paper - grey if darker else grey - paper, 0, None)
    return np.where(ink > NOISE_MARGIN * noise, ink, 0)


def find_ink_on_uneven(grey: np.ndarray) -> np.ndarray:
    """Returns how much darker each pixel is than the paper around it, float32 [height, width] in 0..255.

    Shadows, ruled lines and noise, which are fainter than the strokes, are 0.
    """
    grey = grey.astype(np.float64)
    radius = int(PHOTO_WINDOW * max(grey.shape))
    is_paper = np.ones_like(grey)
    for _ in range(PHOTO_PASSES):
        area = sum_around(is_paper, radius)
        overall = (grey * is_paper).sum() / is_paper.sum()
        paper = np.where(area > 0, sum_around(grey * is_paper, radius) / np.maximum(area, 1), overall)
        ink = paper - grey
        faintest = PHOTO_INK * max(ink.max(), FAINTEST)
        is_paper = (ink < faintest).astype(np.float64)
    faintest = max(faintest, NOISE_MARGIN * quantile(np.abs(ink[is_paper > 0]), 0.5))
    near_strokes = sum_around((ink >= faintest).astype(np.float64), STROKE_EDGE) > 0
    return np.where(near_strokes, np.clip(ink, 0, None), 0).astype(np.float32)


def sum_around(values: np.ndarray, radius: int) -> np.ndarray:
    """Returns the sum over the square of this radius around each pixel, clipped to the picture."""
    for axis, size in enumerate(values.shape):
        sums = np.insert(np.cumsum(values, axis), 0, 0, axis)
        middle = np.arange(size)
        ends, starts = np.minimum(middle + radius + 1, size), np.maximum(middle - radius, 0)
        values = sums.take(ends, axis) - sums.take(starts, axis)
    return values


def shrink(grey: np.ndarray) -> np.ndarray:
    """Scales a picture down so that its longer side is PHOTO_SIDE; returns a smaller one unchanged."""
    share = PHOTO_SIDE / max(grey.shape)
    if share >= 1:
        return grey
    height, width = (max(1, round(side * share)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def quantile(values: np.ndarray, share: float) -> float:
    """Returns the quantile for a share in 0..1; np.quantile would import numpy.ma, which takes 20 ms."""
    return float(np.sort(values)[int(share * (len(values) - 1))])
