"""Digits: the images of a data set, with their labels and writers if known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from flaxdigits.convention import CLASSES, INK, PIXELS, SIDE, is_images
from flaxdigits.data.split import choose_held_out
from flaxdigits.errors import DataError

BLOCK = 2**16  # digits, 51 MB, read at a time from a memory-mapped file


@dataclass(frozen=True, eq=False, repr=False)
class Digits:
    """Digits as exchanged between all parts of flaxdigits; validated on construction.

    Attributes:
        images: uint8 [n, 28, 28], 0 = paper, 255 = ink, rows from the top.
        labels: uint8 [n] in 0..9, or None if unknown.
        writers: int [n], equal numbers for digits of the same writer, or None if unknown.
        name: the source, for messages and metadata.

    Raises:
        DataError: for any other shape, dtype or value, or if there are no images.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    writers: np.ndarray | None = None
    name: str = "digits"

    def __post_init__(self) -> None:
        for field in ("images", "labels", "writers"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, np.asarray(getattr(self, field)))
        if not is_images(self.images):
            found = f"{self.images.dtype} {list(self.images.shape)}"
            hint = (
                "scale them to 0..255 and convert them with astype(np.uint8)" if self.images.dtype.kind == "f" else ""
            )
            raise DataError(f"{self.name}: expected images as uint8 [n, {SIDE}, {SIDE}], got {found}", hint)
        if len(self.images) == 0:
            raise DataError(f"{self.name}: no digits in it")
        if self.labels is not None:
            object.__setattr__(self, "labels", check_labels(self.labels, len(self), self.name))
        if self.writers is not None:
            _check_integers(self.writers, len(self), self.name, "writers")

    @classmethod
    def of_arrays(
        cls, images: np.ndarray, labels: np.ndarray | None, writers: np.ndarray | None = None, name: str = "digits"
    ) -> Self:
        """Returns digits from arrays; images may also be rows of pixels, [n, 784], and of any integer type."""
        if images.dtype.kind in "iu" and images.dtype != np.uint8 and images.size:
            if images.min() < 0 or images.max() > INK:
                raise DataError(f"{name}: expected pixels from 0 to {INK}, got {images.min()} to {images.max()}")
            images = images.astype(np.uint8)
        is_flat = images.ndim == 2 and images.shape[1] == PIXELS
        return cls(images.reshape(-1, SIDE, SIDE) if is_flat else images, labels, writers, name)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Returns the digits of one source, concatenated; either all parts have labels or none has."""
        first, *others = parts
        if not others:
            return first
        labels = None if first.labels is None else np.concatenate([part.known_labels() for part in parts])
        return cls(np.concatenate([part.images for part in parts]), labels, name=first.name)

    def __repr__(self) -> str:
        known = [name for name in ("labels", "writers") if getattr(self, name) is not None]
        return f"<Digits {self.name}: {len(self):,} digits, {' and '.join(known) or 'no labels'}>"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: np.ndarray | slice) -> Self:
        """Returns the digits that a slice, a boolean mask or an array of indices selects."""
        labels, writers = (None if a is None else a[index] for a in (self.labels, self.writers))
        return type(self)(self.images[index], labels, writers, self.name)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the images' bytes followed by the labels' bytes, in hexadecimal.

        Exported models record it as `training_data_sha256`. Writers are left out, since they decide only which digits
        `split` holds out; two splits differ in the hash of the held-out part.
        """
        import hashlib  # loads OpenSSL, which reading a digit does not need

        digest = hashlib.sha256()
        for start in range(0, len(self), BLOCK):
            digest.update(self.images[start : start + BLOCK].tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def known_labels(self) -> np.ndarray:
        """Returns the labels, uint8 [n].

        Raises:
            DataError: if there are none.
        """
        if self.labels is None:
            raise DataError(f"{self.name}: has no labels")
        return self.labels

    def count_shared(self, other: "Digits") -> int:
        """Returns how many images of `other` are also among these, pixel for pixel."""
        theirs = Counter(image.tobytes() for image in other.images)
        found = theirs.keys() & (image.tobytes() for image in self.images)  # without copying all of these
        return sum(theirs[image] for image in found)

    def split(self, fraction: float, seed: int) -> tuple[Self, Self | None]:
        """Splits the digits into a training part and a validation part.

        Where writers are known, no writer is in both parts: with a random split the network
        would be trained on every writer it is validated on, and its accuracy overestimated.
        Otherwise the split is random within each label.

        Args:
            fraction: the validation fraction, in [0, 1); with writers it is met to within one writer.
            seed: the same seed gives the same split.

        Returns:
            Both parts; the second is None if `fraction` is 0.

        Raises:
            DataError: if there are no labels, or either part would be empty although `fraction` is above 0.
        """
        held_out = self.held_out(fraction, seed)
        return self[~held_out], self[held_out] if fraction > 0 else None

    def held_out(self, fraction: float, seed: int) -> np.ndarray:
        """Returns which digits are the validation part of `split`, bool [n]."""
        held_out = choose_held_out(self.known_labels(), self.writers, fraction, seed)
        if fraction > 0 and (held_out.all() or not held_out.any()):
            problem = f"{self.name}: {len(self)} digits cannot be split with a validation share of {fraction}"
            raise DataError(problem, "train on all of them: validation = 0 in the configuration")
        return held_out


def check_labels(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    """Returns labels as uint8 [count].

    Raises:
        DataError: with `name` in it, if they are not integers [count] in 0..9.
    """
    _check_integers(labels, count, name, "labels")
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        raise DataError(f"{name}, row {wrong[0] + 1}: expected a label from 0 to 9, got {labels[wrong[0]]}")
    return labels.astype(np.uint8)


def _check_integers(values: np.ndarray, count: int, name: str, what: str) -> None:
    if values.shape != (count,):
        raise DataError(f"{name}: expected {count} {what}, got shape {list(values.shape)}")
    if values.dtype.kind not in "iu":  # numpy takes spans of time for integers
        raise DataError(f"{name}: expected integers as {what}, got {values.dtype}")
