"""Digits side by side, cut apart as on a page that is read: which groups of parts are digits, and which are not."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from flaxdigits.convention import SIDE
from flaxdigits.data.outliers import INK as LEAST_INK
from flaxdigits.data.outliers import OUTLIER, cropped, is_straight, normalized
from flaxdigits.pictures.cuts import MOST_PIECES, WIDEST, cut, slant_of

SCALE = 2  # pixels of a string per pixel of the digits
INK = 0.3  # share of full ink from which a pixel counts toward the distance between two digits
COUNTS = (0.25, 0.5, 0.25)  # shares of strings of one, two and three digits
SLANT = 0.15  # standard deviation, pixels sideways per pixel of height
WHOLE, PURE = 0.85, 0.88  # least share of a digit's ink in a group, and of a group's ink in a digit, for a digit
PART, MIXED = 0.7, 0.75  # those below which it is an outlier; a group in between is not used


class Group(NamedTuple):
    """Neighbouring parts of a string."""

    pixels: np.ndarray  # uint8 [28, 28]
    label: int  # 0 to 9, or OUTLIER


def make_groups(digits: np.ndarray, labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns groups of parts of random strings, uint8 [count, 28, 28], and their labels, 0 to 9 or OUTLIER.

    Args:
        digits: uint8 [n, 28, 28].
        labels: uint8 [n].
        count: the number of groups.
        seed: the random seed.
    """
    inked = digits.max(axis=(1, 2)) >= LEAST_INK
    digits, labels = digits[inked], labels[inked]
    rng, found = np.random.default_rng(seed), list[Group]()
    while len(found) < count and len(digits):
        found += string_groups(digits, labels, rng)
    chosen = [found[index] for index in rng.permutation(len(found))[:count]]
    images = np.array([group.pixels for group in chosen], np.uint8).reshape(-1, SIDE, SIDE)
    return images, np.array([group.label for group in chosen], np.uint8)


def string_groups(digits: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> list[Group]:
    """Returns the groups of neighbouring parts of a string of one to three random digits.

    Args:
        digits: uint8 [n, 28, 28].
        labels: uint8 [n].
        rng: the random number generator.
    """
    chosen = rng.integers(len(digits), size=1 + rng.choice(len(COUNTS), p=COUNTS))
    slant = rng.normal(0, SLANT)
    layers = side_by_side([enlarged(digits[index], slant) for index in chosen], rng)
    ink = layers.max(axis=0)
    parts = cut(ink, len(ink), float(np.median([slant_of(layer > INK) for layer in layers])))
    shares = np.array([[layer[part > 0].sum() for layer in layers] for part in parts])  # ink of each digit in each part
    found = []
    for first in range(len(parts)):
        for end in range(first + 1, min(first + MOST_PIECES, len(parts)) + 1):
            union = np.sum(parts[first:end], axis=0)
            columns = np.flatnonzero(union.any(axis=0))
            if not len(columns) or (end > first + 1 and np.ptp(columns) > WIDEST * len(ink)):
                continue
            label = label_of(shares[first:end].sum(axis=0), shares.sum(axis=0), labels[chosen])
            if label is not None and not (label == OUTLIER and is_straight(255 * union)):  # which could be a whole 1
                found.append(Group(normalized(255 * union), label))
    return found


def label_of(inside: np.ndarray, whole: np.ndarray, labels: np.ndarray) -> int | None:
    """Returns the label of a group, from the ink of each digit in it and in total; None if it is unclear."""
    main = int(inside.argmax())
    complete, pure = inside[main] / max(whole[main], 1e-6), inside[main] / max(inside.sum(), 1e-6)
    if complete >= WHOLE and pure >= PURE:
        return int(labels[main])
    return OUTLIER if complete < PART or pure < MIXED else None


def enlarged(digit: np.ndarray, slant: float) -> np.ndarray:
    """Returns a digit's ink, enlarged, slanted and cropped, float32 [height, width] in 0..1."""
    side = SCALE * len(digit)
    big = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    sheared = (1, slant, -side / 4 - slant * side / 2, 0, 1, 0)
    big = big.transform((side + side // 2, side), Image.Transform.AFFINE, sheared, Image.Resampling.BILINEAR)
    return cropped(np.asarray(big)) / 255


def side_by_side(inks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Returns the ink of each digit in its place, float32 [digits, height, width]; neighbours touch or nearly do."""
    height = max(map(len, inks)) + 6
    lefts: list[int] = []
    tops: list[int] = []
    left = 0
    for index, ink in enumerate(inks):
        top = int(np.clip((height - len(ink)) // 2 + rng.integers(-3, 4), 0, height - len(ink)))
        if index:
            left += inks[index - 1].shape[1] + int(rng.integers(-4, 2)) - apart(inks[index - 1], tops[-1], ink, top)
        lefts.append(left)
        tops.append(top)
    start = min(lefts)
    width = max(left + ink.shape[1] for left, ink in zip(lefts, inks, strict=True)) - start
    layers = np.zeros((len(inks), height, width), np.float32)
    for layer, ink, left, top in zip(layers, inks, lefts, tops, strict=True):
        layer[top : top + len(ink), left - start : left - start + ink.shape[1]] = ink
    return layers


def apart(left: np.ndarray, left_top: int, right: np.ndarray, right_top: int) -> int:
    """Returns the least distance between two inks, over all rows, if their boxes touched, pixels."""
    first, last = max(left_top, right_top), min(left_top + len(left), right_top + len(right))
    behind = left[first - left_top : last - left_top, ::-1] > INK
    ahead = right[first - right_top : last - right_top] > INK
    both = behind.any(axis=1) & ahead.any(axis=1)
    return int((behind.argmax(axis=1) + ahead.argmax(axis=1))[both].min()) if both.any() else 0
