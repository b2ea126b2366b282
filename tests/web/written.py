"""Photographs of pages, made of digits: what JavaScript and Python are compared on."""

import numpy as np
from PIL import Image, ImageDraw

SHAPE = (480, 640)


def written(digits, lefts, tops=(60, 200, 340), slope=0.0, size=70):
    """Ink of lines of digits, whose left ends are given: float SHAPE, 0 paper .. 1 ink."""
    page, images = np.zeros(SHAPE), iter(digits)
    for top, line in zip(tops, lefts, strict=False):
        for left in line:
            digit = np.asarray(Image.fromarray(next(images)).resize((size, size), Image.Resampling.BICUBIC)) / 255
            y = round(top + slope * left)
            area = page[y : y + size, left : left + size]
            np.maximum(area, digit, out=area)
    return page


APART = ((20, 75, 280, 330, 380), (60, 120, 400), (100, 300, 350, 500))
TOUCHING = ((20, 58, 96, 134, 330, 368), (60, 97, 134, 400, 436), (100, 140, 178, 216))
DOWN, ACROSS = np.mgrid[: SHAPE[0], : SHAPE[1]]


def photographed(ink, shade=215, paper=1.0, noise=0.0, seed=0):
    shades = shade * paper * (1 - 0.7 * ink) + np.random.default_rng(seed).normal(0, noise, ink.shape)
    return np.clip(np.rint(shades), 0, 255).astype(np.uint8)


def on_desk(page):
    """A page as a sheet in a corner of a darker desk, on two sides up to the border."""
    desk = np.full((SHAPE[0] + 200, SHAPE[1] + 260), 60, np.uint8)
    desk[200:, 260:] = page
    return desk


def on_desk_all_around(page):
    return np.pad(page, 110, constant_values=70)


def broken(ink):
    """Ink whose digits have a gap in their middle."""
    return np.where((DOWN - 60) % 140 // 4 == 8, 0, ink)


def beside_a_scribble(ink):
    """Ink of one digit, with what is none beside it."""
    image, rng = Image.fromarray((255 * ink).astype(np.uint8)), np.random.default_rng(0)
    ImageDraw.Draw(image).line([*zip(rng.uniform(380, 520, 14), rng.uniform(170, 300, 14), strict=True)], 255, width=9)
    return np.asarray(image) / 255


def scaled(page, width, height):
    return np.asarray(Image.fromarray(page).resize((width, height), Image.Resampling.BICUBIC))


def nearly_blank():
    return np.clip(np.random.default_rng(1).normal(200, 6, SHAPE), 0, 255).astype(np.uint8)


RULED = np.where(DOWN % 45 < 2, 0.75, 1)
SQUARED = np.where((DOWN % 45 < 2) | (ACROSS % 45 < 2), 0.8, 1)
SHADOW = np.where(ACROSS + DOWN / 3 < 300, 0.5, 1)
LAMP = 0.6 + 0.4 * ACROSS / SHAPE[1]
KINDS = {
    "plain": lambda digits: photographed(written(digits, APART)),
    "noise": lambda digits: photographed(written(digits, APART), noise=6),
    "ruled": lambda digits: photographed(written(digits, APART), paper=RULED, noise=2),
    "squared": lambda digits: photographed(written(digits, APART), paper=SQUARED, noise=2),
    "shadow": lambda digits: photographed(written(digits, APART), paper=SHADOW, noise=2),
    "lamp": lambda digits: photographed(written(digits, APART), paper=LAMP, noise=3),
    "slanted": lambda digits: photographed(written(digits, APART, slope=0.08), noise=2),
    "touching": lambda digits: photographed(written(digits, TOUCHING), noise=2),
    "small digits": lambda digits: photographed(written(digits, APART, size=32), noise=1),
    "broken digits": lambda digits: photographed(broken(written(digits, APART)), noise=2),
    "digit and scribble": lambda digits: photographed(beside_a_scribble(written(digits, ((100,),), (150,), size=160))),
    "light on dark": lambda digits: 255 - photographed(written(digits, TOUCHING), noise=3),
    "sheet in a corner": lambda digits: on_desk(photographed(written(digits, APART), noise=2)),
    "sheet on a desk": lambda digits: on_desk_all_around(photographed(written(digits, TOUCHING), noise=2)),
    "large": lambda digits: scaled(photographed(written(digits, TOUCHING), noise=3), 2600, 1950),
    "one digit": lambda digits: photographed(written(digits, ((280,),), tops=(150,), size=200), noise=3),
    "one digit in 28x28": lambda digits: digits[0],
    "noise alone": lambda digits: nearly_blank(),
    "nothing": lambda digits: np.full(SHAPE, 200, np.uint8),
    "black": lambda digits: np.zeros((200, 300), np.uint8),
    "one pixel": lambda digits: np.zeros((1, 1), np.uint8),
    "long and low": lambda digits: np.tile(np.uint8([0, 255]), (3, 500)),
}
