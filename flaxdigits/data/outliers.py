"""Pictures that are not digits, from which a network learns the difference (outlier exposure).

Letters of handwriting fonts, scribbles and shapes, each normalized like a digit, and textures; pieces and pairs of
digits are made by strings.py.

References:
    D. Hendrycks, M. Mazeika, T. Dietterich, "Deep Anomaly Detection with Outlier Exposure", 2019.
"""

import numpy as np
from PIL import Image, ImageDraw

from flaxdigits.convention import SIDE
from flaxdigits.data.glyphs import load_glyphs
from flaxdigits.pictures.normalization import centre, fit_box

OUTLIER = 10  # the label of a picture that is not a digit
LIKE_DIGITS = "OolIi"  # letters that look like digits out of context
STRAIGHT = 0.3  # maximum spread across a straight stroke, as a share of the spread along it
SHEET = 56  # pixels along each side of a drawing, two for each of the 28
INK = 50.0  # of 255; the level from which a pixel belongs to a digit's bounding box


def make_outliers(count: int, seed: int) -> np.ndarray:
    """Returns pictures that are not digits, uint8 [count, 28, 28], in random order."""
    rng = np.random.default_rng(seed)
    letters = make_letters()
    makers = {lambda rng: letters[rng.integers(len(letters))]: 0.5, scribble: 0.2, shape: 0.1, texture: 0.2}
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    for image, kind in zip(images, rng.choice(len(makers), count, p=list(makers.values())), strict=True):
        image[:] = list(makers)[kind](rng)
    return images


def make_letters() -> np.ndarray:
    """Returns the embedded letters except those that look like digits, uint8 [n, 28, 28]."""
    glyphs = load_glyphs()
    return glyphs.images[~glyphs.are_digits & ~np.isin(glyphs.characters, list(LIKE_DIGITS))]


def scribble(rng: np.random.Generator) -> np.ndarray:
    """Returns one long stroke that turns at random, or several short ones."""
    sheet = Image.new("L", (SHEET, SHEET))
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        steps = int(rng.integers(15, 60))
        turns = rng.normal(0, rng.uniform(0.3, 1.2), steps) + rng.normal(0, 0.2)
        angles = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        path = SHEET / 2 + rng.uniform(2, 4.5) * np.cumsum(np.stack([np.cos(angles), np.sin(angles)]), axis=1)
        path += (rng.uniform(0.3, 0.7, 2) * SHEET - path.mean(axis=1))[:, None]
        ImageDraw.Draw(sheet).line(list(map(tuple, path.T)), fill=255, width=int(rng.integers(2, 7)))
    return normalized(np.asarray(sheet, np.float32))


def shape(rng: np.random.Generator) -> np.ndarray:
    """Returns straight lines, dots or a filled polygon."""
    sheet = Image.new("L", (SHEET, SHEET))
    draw, kind = ImageDraw.Draw(sheet), rng.integers(3)
    if kind == 0:
        for _ in range(int(rng.integers(2, 5))):
            draw.line(list(map(tuple, rng.uniform(5, SHEET - 5, (2, 2)))), fill=255, width=int(rng.integers(2, 7)))
        draw.line([(5, 25), (SHEET - 5, 25 + rng.uniform(-10, 10))], fill=255, width=int(rng.integers(2, 7)))
    elif kind == 1:
        for x, y in rng.uniform(5, SHEET - 5, (int(rng.integers(1, 6)), 2)):
            radius, wide = rng.uniform(2, 10), rng.uniform(0.7, 1.4)
            draw.ellipse((x - wide * radius, y - radius, x + wide * radius, y + radius), fill=255)
    else:
        draw.polygon(list(map(tuple, rng.uniform(2, SHEET - 2, (int(rng.integers(3, 9)), 2)))), fill=255)
    return normalized(np.asarray(sheet, np.float32))


def texture(rng: np.random.Generator) -> np.ndarray:
    """Returns smooth or fine noise, stripes or an even grey, on the whole picture or on a part of it."""
    coarse = rng.uniform(0, 1, (int(rng.integers(1, SIDE)), int(rng.integers(1, SIDE)))).astype(np.float32)
    field = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    if rng.random() < 0.3:
        rows, columns = np.mgrid[:SIDE, :SIDE] * rng.uniform(-1.5, 1.5, (2, 1, 1))
        field = field * (0.5 + 0.5 * np.sin(rows + columns))
    low, high = np.sort(rng.uniform(-0.5, 1.5, 2))
    field = np.clip(low + (high - low) * field, 0, 1) * silhouette(rng)
    return np.rint(np.clip(field, 0, 1) * 255).astype(np.uint8)


def silhouette(rng: np.random.Generator) -> np.ndarray:
    """Returns a mask, float32 [28, 28] in 0..1: the whole picture, or one to three filled shapes in it."""
    if rng.random() < 0.25:
        return np.ones((SIDE, SIDE), np.float32)
    mask = Image.new("L", (SIDE, SIDE))
    for _ in range(int(rng.integers(1, 4))):
        (left, right), (top, bottom) = np.sort(rng.uniform(0, SIDE, (2, 2)), axis=1)
        draw = ImageDraw.Draw(mask)
        (draw.ellipse if rng.random() < 0.4 else draw.rectangle)((left, top, right, bottom), fill=255)
    return np.asarray(mask, np.float32) / 255


def is_straight(ink: np.ndarray) -> bool:
    """Returns whether ink spreads along one direction only."""
    rows, columns = np.nonzero(ink >= INK)
    if len(rows) < 2:
        return True
    smaller, larger = np.linalg.eigvalsh(np.cov(rows, columns, bias=True))
    return bool(smaller <= STRAIGHT**2 * larger)


def cropped(ink: np.ndarray) -> np.ndarray:
    """Returns a picture cropped to its ink, float32; faint ink counts if there is no other."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) >= min(INK, ink.max())) for axis in (1, 0))
    return np.asarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.float32)


def normalized(ink: np.ndarray) -> np.ndarray:
    """Returns ink in MNIST's form, uint8 [28, 28]; an empty sheet stays empty."""
    return centre(fit_box(ink)) if ink.max(initial=0) > 0 else np.zeros((SIDE, SIDE), np.uint8)
