"""Ink and paper: how much each pixel of a picture differs from the paper it is on.

exports/web/ink.js does the same, step by step; tests/test_web_pictures.py holds the two together.
"""

import numpy as np
from PIL import Image

FAINTEST = 24  # ink that differs from the paper by less than this, of 255, is no ink
NOISE_MARGIN = 5.0  # ink must stand out from the paper by this many times the paper's own spread
EVEN_SHARE = 0.99  # of the picture's edge; where more of it differs from the paper, the paper is taken as uneven
PHOTO_SIDE = 112  # longest side that uneven paper is looked at in: four pixels to one of the 28
PHOTO_WINDOW = 0.35  # the paper's shade is a mean over this share of the longest side to each side of a pixel
PHOTO_INK = 0.4  # share of the strongest ink below which a pixel of uneven paper is shadow or a ruled line
PHOTO_PASSES = 3  # times the ink is found and left out of the paper's mean
STROKE_EDGE = 4  # pixels around a stroke, of those 112, that hold its soft edge


def find_ink(grey: np.ndarray) -> np.ndarray:
    """Returns how much each pixel differs from the paper, float32 in 0..255.

    The paper's shade is the median along the edge of the picture; ink is on the side of it,
    darker or lighter, that reaches further. What the paper itself varies by along the edge,
    such as a camera's noise, is not ink. Where the edge is not even, as in a photograph with a
    shadow or on lined paper, the paper's shade is found anew around each pixel.

    Returns:
        [height, width] as the picture, or smaller where the paper is uneven.
    """
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = quantile(edge, 0.5)
    off = np.abs(edge - paper)
    darker = paper - grey.min() > grey.max() - paper
    noise = quantile(off, 0.5)  # 0 in drawings and screenshots, whose edge may be all strokes; never in a photograph
    if noise >= 1 and max(grey.shape) > PHOTO_SIDE and quantile(off, EVEN_SHARE) >= FAINTEST:
        return find_ink_on_uneven(shrink(grey if darker else 255 - grey))
    ink = np.clip(paper - grey if darker else grey - paper, 0, None)
    return np.where(ink > NOISE_MARGIN * noise, ink, 0)


def find_ink_on_uneven(grey: np.ndarray) -> np.ndarray:
    """Returns how much darker each pixel is than the paper around it, float32 [height, width] in 0..255.

    Shadows, ruled lines and noise, which are fainter than the strokes, are left out.
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
    """Sums, for each pixel, the square of this radius around it that lies in the picture."""
    for axis, size in enumerate(values.shape):
        sums = np.insert(np.cumsum(values, axis), 0, 0, axis)
        middle = np.arange(size)
        ends, starts = np.minimum(middle + radius + 1, size), np.maximum(middle - radius, 0)
        values = sums.take(ends, axis) - sums.take(starts, axis)
    return values


def shrink(grey: np.ndarray) -> np.ndarray:
    """Scales a picture down until its longer side is PHOTO_SIDE; a smaller one stays as it is."""
    share = PHOTO_SIDE / max(grey.shape)
    if share >= 1:
        return grey
    height, width = (max(1, round(side * share)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def quantile(values: np.ndarray, share: float) -> float:
    """Returns the value that `share` of them do not exceed; numpy's own loads numpy.ma, which takes 20 ms."""
    return float(np.sort(values)[int(share * (len(values) - 1))])
