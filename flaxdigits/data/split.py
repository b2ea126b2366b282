"""Chooses the digits that are held out for validation."""

import numpy as np


def choose_held_out(labels: np.ndarray, writers: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
    """Chooses rows by writer where writers are known, otherwise at random within each label.

    Args:
        labels: uint8 [n].
        writers: int [n], or None.
        fraction: the fraction of rows to choose, in [0, 1).
        seed: the same seed chooses the same rows.

    Returns:
        bool [n], True for the rows held out.
    """
    rng = np.random.default_rng(seed)
    return _by_label(labels, fraction, rng) if writers is None else _by_writer(writers, fraction, rng)


def _by_writer(writers: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    names, counts = np.unique(writers, return_counts=True)
    order = rng.permutation(len(names))
    chosen = names[order[np.cumsum(counts[order]) <= fraction * len(writers)]]
    return np.isin(writers, chosen)


def _by_label(labels: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Chooses the fraction of each label, at least one row of every label that has two or more."""
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        count = round(fraction * len(rows)) if len(rows) > 1 else 0
        held_out[rows[: max(count, len(rows) > 1 and fraction > 0)]] = True
    return held_out
