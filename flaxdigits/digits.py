"""Digits: the images of a data set, with their labels and their writers where these are known."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from flaxdigits.contract import CLASSES, SIDE, is_pixels
from flaxdigits.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class Digits:
    """Digits as the whole project passes them around; checked once, when made.

    Attributes:
        images: uint8 [n, 28, 28], 0 = paper, 255 = ink, rows from the top.
        labels: uint8 [n] in 0..9, or None where nobody has said.
        writers: int [n], equal numbers for digits of one hand, or None where unknown.
        name: where they come from, for messages and metadata.

    Raises:
        DataError: for any other shape, dtype or value, or where there are no images.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    writers: np.ndarray | None = None
    name: str = "digits"

    def __post_init__(self) -> None:
        if not is_pixels(self.images):
            found = f"{self.images.dtype} {list(self.images.shape)}"
            raise DataError(f"{self.name}: expected images as uint8 [n, {SIDE}, {SIDE}], got {found}")
        if len(self.images) == 0:
            raise DataError(f"{self.name}: no digits in it")
        if self.labels is not None:
            object.__setattr__(self, "labels", _checked_labels(np.asarray(self.labels), len(self), self.name))
        if self.writers is not None and self.writers.shape != (len(self),):
            raise DataError(f"{self.name}: expected {len(self)} writers, got {list(self.writers.shape)}")

    def __repr__(self) -> str:
        known = [name for name in ("labels", "writers") if getattr(self, name) is not None]
        return f"<Digits {self.name}: {len(self):,} digits, {' and '.join(known) or 'no labels'}>"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: np.ndarray | slice) -> Self:
        """Picks digits by a slice, a boolean mask or an array of indices."""
        labels, writers = (None if a is None else a[index] for a in (self.labels, self.writers))
        return type(self)(self.images[index], labels, writers, self.name)

    @property
    def sha256(self) -> str:
        """Names the content: the SHA-256 of the images' bytes followed by the labels' bytes."""
        import hashlib  # loads OpenSSL, which reading a digit does not need

        digest = hashlib.sha256(self.images.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def known_labels(self) -> np.ndarray:
        """Returns the labels, uint8 [n].

        Raises:
            DataError: where there are none.
        """
        if self.labels is None:
            raise DataError(f"{self.name}: has no labels, and they are needed here")
        return self.labels

    def count_shared(self, other: "Digits") -> int:
        """Counts the images of `other` that stand here too, pixel for pixel."""
        mine = {image.tobytes() for image in self.images}
        return sum(image.tobytes() in mine for image in other.images)

    def split(self, fraction: float, seed: int) -> tuple[Self, Self | None]:
        """Divides the digits into a training and a validation part.

        Where writers are known, no writer is on both sides: a random split would let the
        network meet every hand it is judged on, and would read optimistic. Otherwise the
        split is random within each label.

        Args:
            fraction: the share of validation, in [0, 1). By writer it is met to within one writer.
            seed: the same seed gives the same split.

        Returns:
            The two parts; the second is None where `fraction` is 0.

        Raises:
            DataError: where either part would be empty though `fraction` is above 0.
        """
        held_out = self._held_out(fraction, seed)
        if fraction > 0 and (held_out.all() or not held_out.any()):
            raise DataError(
                f"{self.name}: {len(self)} digits cannot be split with a validation share of {fraction}; "
                "train on all of them with `validation = 0` in a --config file"
            )
        return self[~held_out], self[held_out] if fraction > 0 else None

    def _held_out(self, fraction: float, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if self.writers is not None:
            writers, counts = np.unique(self.writers, return_counts=True)
            order = rng.permutation(len(writers))
            chosen = writers[order[np.cumsum(counts[order]) <= fraction * len(self)]]
            return np.isin(self.writers, chosen)
        labels = self.known_labels()
        held_out = np.zeros(len(self), bool)
        for label in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == label))
            count = round(fraction * len(rows)) if len(rows) > 1 else 0
            held_out[rows[: max(count, len(rows) > 1 and fraction > 0)]] = True
        return held_out


def _checked_labels(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    """Returns `labels` as uint8 [count], or says what is wrong with them."""
    if labels.shape != (count,):
        raise DataError(f"{name}: expected {count} labels, got {list(labels.shape)}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{name}: expected whole numbers as labels, got {labels.dtype}")
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        raise DataError(f"{name}, row {wrong[0] + 1}: expected a label from 0 to 9, got {labels[wrong[0]]}")
    return labels.astype(np.uint8)
