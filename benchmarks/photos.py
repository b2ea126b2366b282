"""Errors on photographs: synthetic ones, of MNIST's test digits on sheets under several kinds of light.

Read by `read_digits`, as `flaxdigits predict` does, and by `read_picture`. Each digit is drawn at a random place and
size in strokes that take 70% of the light, with a camera's noise.
"""

import numpy as np
from PIL import Image

from benchmarks.tables import print_header, print_row
from flaxdigits import Recognizer, load, read_digits, read_picture

DIGITS = 200
SIZE = 360
NOISE = 5  # standard deviation, shades of 255


def tilted(rng: np.random.Generator) -> np.ndarray:
    """Returns a coordinate in a random direction, about -0.5 .. 0.5, [SIZE, SIZE]."""
    angle = rng.uniform(0, 2 * np.pi)
    down, across = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    return across * np.cos(angle) + down * np.sin(angle)


def shadow(depth: float, width: float, rng: np.random.Generator) -> np.ndarray:
    """Returns the light beside a shadow that takes a share of it, with an edge of this width."""
    away = (tilted(rng) - rng.uniform(-0.2, 0.2)) / width
    return 1 - depth / (1 + np.exp(np.clip(-away, -50, 50)))


def ruled(rng: np.random.Generator) -> np.ndarray:
    """Returns what ruled paper reflects: a line that takes a quarter of the light, nine times from top to bottom."""
    lines = np.arange(SIZE) % (SIZE // 9) < 2
    return np.where(lines[:, None], 0.75, 1.0) * np.ones((SIZE, SIZE))


LIGHT = {
    "even light": lambda rng: np.ones((SIZE, SIZE)),
    "a lamp on one side": lambda rng: 1 + 0.6 * tilted(rng),
    "ruled paper": ruled,
    "ruled paper, a lamp on one side": lambda rng: ruled(rng) * (1 + 0.6 * tilted(rng)),
    "a sharp shadow that takes 30%": lambda rng: shadow(0.3, 0.003, rng),
    "a sharp shadow that takes 40%": lambda rng: shadow(0.4, 0.003, rng),
    "a soft shadow that takes 40%": lambda rng: shadow(0.4, 0.05, rng),
    "a sharp shadow that takes 50%": lambda rng: shadow(0.5, 0.003, rng),
    "a soft shadow that takes 50%": lambda rng: shadow(0.5, 0.05, rng),
}


def photograph(digit: np.ndarray, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = int(SIZE * rng.uniform(0.45, 0.75))
    top, left = rng.integers(0, SIZE - side, 2)
    ink = np.zeros((SIZE, SIZE))
    drawn = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    ink[top : top + side, left : left + side] = np.asarray(drawn) / 255
    shades = 200 * light * (1 - 0.7 * ink) + rng.normal(0, NOISE, ink.shape)
    return np.clip(np.rint(shades), 0, 255).astype(np.uint8)


def main() -> None:
    recognizer, test = Recognizer(), load("mnist-test")[:DIGITS]
    print_header("light", f"read rightly, of {DIGITS}", "by `read_picture`")
    for kind, make in LIGHT.items():
        rng, right, by_picture = np.random.default_rng(0), 0, 0
        for digit, label in zip(test.images, test.known_labels(), strict=True):
            picture = photograph(digit, make(rng), rng)
            right += [reading.digit for reading in read_digits(picture, recognizer) if not reading.refused] == [label]
            by_picture += recognizer(read_picture(picture)[None]).digits[0] == label
        print_row(kind, right, by_picture)
