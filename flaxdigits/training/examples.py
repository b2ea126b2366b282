"""Training examples: digits, and the pictures that the configuration adds to them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int, UInt8

from flaxdigits.data.digits import Digits
from flaxdigits.data.glyphs import load_glyphs
from flaxdigits.data.load import load
from flaxdigits.data.outliers import OUTLIER, make_outliers
from flaxdigits.data.strings import make_groups
from flaxdigits.training.config import TrainConfig

FONT_DIGITS, GROUPS = 0.35, 0.35  # fractions of the added pictures; the rest are outliers
MOST = 20_000  # distinct groups, and as many distinct outliers; a larger epoch repeats them
SOURCES = 20_000  # maximum number of digits from which groups are made

Pictures = tuple[UInt8[np.ndarray, "n 28 28"], UInt8[np.ndarray, " n"]]  # and their labels


@dataclass(frozen=True, eq=False)
class Examples:
    """Digits and added pictures. Rows below `len(digits)` are digits, the others are added pictures.

    Added pictures are replayed digits of another data set, digits of handwriting fonts, groups of parts of touching
    digits, and outliers.

    Attributes:
        digits: all digits of the data set, including those held out.
        training: the rows of the digits that are trained on, int32 [n].
        config: the training configuration: how often each of these occurs in an epoch, and what is added.
    """

    digits: Digits
    training: Int[np.ndarray, " n"]
    config: TrainConfig

    @classmethod
    def of(cls, digits: Digits, held_out: Bool[np.ndarray, " n"], config: TrainConfig) -> "Examples":
        """Returns the training examples with these digits held out."""
        return cls(digits, np.flatnonzero(~held_out).astype(np.int32), config)

    def __len__(self) -> int:
        """The number of rows of an epoch."""
        return self._own + sum(self._counts)

    @property
    def _own(self) -> int:
        """The number of rows of an epoch that are the data set's own digits."""
        return self.config.repeats * len(self.training)

    @cached_property
    def rows(self) -> Int[np.ndarray, " n"]:
        """The rows of an epoch."""
        rows = [np.tile(self.training, self.config.repeats)]
        if any(self._counts):
            ends = np.cumsum([len(images) for images, _ in self._kinds])
            for (images, _), end, count in zip(self._kinds, ends, self._counts, strict=False):
                rows.append(len(self.digits) + end - 1 - np.arange(count) % max(1, len(images)))
        return np.concatenate(rows).astype(np.int32)

    @cached_property
    def _counts(self) -> list[int]:
        """The number of added pictures of each kind in an epoch."""
        replayed = round(self.config.replay * self._own)
        added = round(self.config.added_pictures * (self._own + replayed))
        fonts, groups = round(FONT_DIGITS * added), round(GROUPS * added)
        return [replayed, fonts, groups, added - fonts - groups]

    @cached_property
    def _kinds(self) -> list[Pictures]:
        """The added pictures, by kind; only the replayed digits if nothing else is added."""
        replayed, *others = self._counts
        old = self._replayed(replayed)
        return [old, *self._made(old, others)] if any(others) else [old]

    def _replayed(self, count: int) -> Pictures:
        """Returns random digits of the replayed data set."""
        if not count:
            return self.digits.images[:0], self.digits.known_labels()[:0]
        old = load(self.config.replay_data)
        chosen = np.random.default_rng(self.config.seed).permutation(len(old))[:count]
        return old.images[chosen], old.known_labels()[chosen]

    def _made(self, old: Pictures, counts: list[int]) -> list[Pictures]:
        """Returns font digits, groups made from parts of own and replayed digits, and outliers."""
        glyphs, rng = load_glyphs(), np.random.default_rng(self.config.seed)
        fonts = rng.permutation(np.flatnonzero(glyphs.are_digits))
        own = np.tile(self.training, self.config.repeats)
        sources = np.sort(rng.permutation(len(own) + len(old[0]))[:SOURCES])
        mine, others = sources[sources < len(own)], sources[sources >= len(own)] - len(own)
        images = np.concatenate([self.digits.images[own[mine]], old[0][others]])
        labels = np.concatenate([self.digits.known_labels()[own[mine]], old[1][others]])
        outliers = make_outliers(min(counts[2], MOST), self.config.seed)
        return [
            (glyphs.images[fonts], glyphs.characters[fonts].astype(np.uint8)),
            make_groups(images, labels, min(counts[1], MOST), self.config.seed),
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
        if not any(self._counts):
            return ""
        images, labels = self._added
        return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()

    def images(self, rows: Int[np.ndarray, " k"]) -> UInt8[np.ndarray, "k 28 28"]:
        """Returns the pictures in these rows."""
        return self._take(rows, self.digits.images, 0)

    def labels(self, rows: Int[np.ndarray, " k"]) -> UInt8[np.ndarray, " k"]:
        """Returns the labels of these rows: 0 to 9, or 10 for an outlier."""
        return self._take(rows, self.digits.known_labels(), 1)

    def _take(self, rows: np.ndarray, own: np.ndarray, part: int) -> np.ndarray:
        """Returns entries of `own`, or, for rows from its length on, of one part of the added pictures."""
        is_own = rows < len(own)
        if is_own.all():
            return own[rows]
        taken = np.empty((len(rows), *own.shape[1:]), own.dtype)
        taken[is_own], taken[~is_own] = own[rows[is_own]], self._added[part][rows[~is_own] - len(own)]
        return taken
