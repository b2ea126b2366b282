"""What a network learns from: digits, and the pictures that the configuration adds to them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int, UInt8

from flaxdigits.data.digits import Digits
from flaxdigits.data.glyphs import load_glyphs
from flaxdigits.data.outliers import OUTLIER, make_outliers
from flaxdigits.data.strings import make_groups
from flaxdigits.training.config import TrainConfig

FONT_DIGITS, GROUPS = 0.35, 0.35  # shares of the added pictures; the others are outliers
MOST = 20_000  # different groups, and as many different outliers; an epoch of more repeats them
SOURCES = 20_000  # most digits of which strings are made

Pictures = tuple[UInt8[np.ndarray, "n 28 28"], UInt8[np.ndarray, " n"]]  # and their labels


@dataclass(frozen=True, eq=False)
class Examples:
    """Digits and added pictures. A row stands for a digit, and from `len(digits)` on for an added picture.

    Added are digits of handwriting fonts, groups of parts of touching digits, and outliers.

    Attributes:
        digits: of the data set, those that are held out among them.
        training: the rows of the digits that are trained on, int32 [n].
        added: how many pictures are added to them in an epoch.
        seed: from which these are made.
    """

    digits: Digits
    training: Int[np.ndarray, " n"]
    added: int = 0
    seed: int = 0

    @classmethod
    def of(cls, digits: Digits, held_out: Bool[np.ndarray, " n"], config: TrainConfig) -> "Examples":
        """Returns the examples of a training with these digits held out."""
        training = np.flatnonzero(~held_out).astype(np.int32)
        return cls(digits, training, round(config.added_pictures * len(training)), config.seed)

    def __len__(self) -> int:
        """The number of rows of an epoch."""
        return len(self.training) + self.added

    @cached_property
    def rows(self) -> Int[np.ndarray, " n"]:
        """The rows of an epoch."""
        if not self.added:
            return self.training
        ends = np.cumsum([len(images) for images, _ in self._kinds])
        rows = [self.training]
        for (images, _), end, count in zip(self._kinds, ends, self._counts, strict=True):
            rows.append(len(self.digits) + end - 1 - np.arange(count) % max(1, len(images)))
        return np.concatenate(rows).astype(np.int32)

    @cached_property
    def _counts(self) -> list[int]:
        """How many pictures of each kind an epoch has."""
        fonts, groups = round(FONT_DIGITS * self.added), round(GROUPS * self.added)
        return [fonts, groups, self.added - fonts - groups]

    @cached_property
    def _kinds(self) -> list[Pictures]:
        """The added pictures, by kind."""
        glyphs, rng = load_glyphs(), np.random.default_rng(self.seed)
        fonts = rng.permutation(np.flatnonzero(glyphs.are_digits))
        sources = np.sort(rng.permutation(self.training)[:SOURCES])
        _, groups, others = (min(count, MOST) for count in self._counts)
        outliers = make_outliers(others, self.seed)
        return [
            (glyphs.images[fonts], glyphs.characters[fonts].astype(np.uint8)),
            make_groups(self.digits.images[sources], self.digits.known_labels()[sources], groups, self.seed),
            (outliers, np.full(len(outliers), OUTLIER, np.uint8)),
        ]

    @cached_property
    def _added(self) -> Pictures:
        """The added pictures, in the order of their rows."""
        images, labels = zip(*self._kinds, strict=True)
        return np.concatenate(images), np.concatenate(labels)

    @cached_property
    def added_sha256(self) -> str:
        """The SHA-256 of the added pictures' bytes followed by their labels' bytes; empty without any."""
        if not self.added:
            return ""
        images, labels = self._added
        return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()

    def images(self, rows: Int[np.ndarray, " k"]) -> UInt8[np.ndarray, "k 28 28"]:
        """Returns the pictures of rows."""
        return self._take(rows, self.digits.images, 0)

    def labels(self, rows: Int[np.ndarray, " k"]) -> UInt8[np.ndarray, " k"]:
        """Returns the labels of rows, 0 to 9, and 10 for an outlier."""
        return self._take(rows, self.digits.known_labels(), 1)

    def _take(self, rows: np.ndarray, own: np.ndarray, part: int) -> np.ndarray:
        """Returns entries of `own`, or from its length on of a part of the added pictures."""
        is_own = rows < len(own)
        if is_own.all():
            return own[rows]
        taken = np.empty((len(rows), *own.shape[1:]), own.dtype)
        taken[is_own], taken[~is_own] = own[rows[is_own]], self._added[part][rows[~is_own] - len(own)]
        return taken
