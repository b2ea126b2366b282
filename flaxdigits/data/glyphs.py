"""The embedded digits and letters of handwriting fonts, drawn by scripts/build_glyphs.py."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

GLYPHS = Path(__file__).with_name("glyphs.npz")


class Glyphs(NamedTuple):
    """Characters of fonts, each in MNIST's form.

    Attributes:
        images: uint8 [n, 28, 28], 0 = paper, 255 = ink.
        characters: str [n], 0 to 9, A to Z, a to z.
        families: uint16 [n], positions in `names`.
        names: str [families].
        licences: str [families], SPDX identifiers.
    """

    images: np.ndarray
    characters: np.ndarray
    families: np.ndarray
    names: np.ndarray
    licences: np.ndarray

    @property
    def are_digits(self) -> np.ndarray:
        """Which are digits, bool [n]."""
        return np.char.isdigit(self.characters)


def load_glyphs(path: Path = GLYPHS) -> Glyphs:
    """Loads glyphs: the embedded ones, or a file of the same form."""
    with np.load(path) as arrays:
        return Glyphs(**{name: arrays[name] for name in Glyphs._fields})
