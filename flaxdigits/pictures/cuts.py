"""Cuts through ink that may be several digits: paths from top to bottom that cross little ink."""

import numpy as np

MOST_PIECES = 4  # of one digit
WIDEST = 1.5  # maximum width of a digit in several pieces, in digit heights
SIDEWAYS = 0.15  # cost of a step to the side, where a pixel of full ink costs 1
CUTS = 4.0  # per width of one digit height
WIDE = 0.4  # width from which ink may be several digits, as a share of the digits' height
LEAST_INK = 0.12  # between two cuts, as a share of the ink in a width of one digit height
MOST_SLANT = 0.8  # pixels sideways per pixel down


def cut(ink: np.ndarray, height: float, slant: float = 0.0) -> list[np.ndarray]:
    """Cuts ink that may be several digits.

    Args:
        ink: float32 [height, width] in 0..1.
        height: of the digits, pixels.
        slant: of the writing, pixels to the right per pixel down.

    Returns:
        The parts from left to right, each as large as the whole; the whole as one part if nothing may be cut.
    """
    upright, moved = straightened(ink, slant)
    columns = np.flatnonzero(upright.any(axis=0))
    if not len(columns):
        return [ink]
    first, end = int(columns[0]), int(columns[-1]) + 1
    paths = find_cuts(upright[:, first:end], height, most_cuts(end - first, height))
    return cut_apart(ink, [path + first - moved for path in paths])


def slant_of(ink: np.ndarray) -> float:
    """Returns the slant of ink, pixels to the right per pixel down: the regression of its columns on its rows.

    0 without ink. A digit is upright where the two are uncorrelated; a page's slant is the median of its digits'.
    """
    rows, columns = np.nonzero(ink)
    if not len(rows):
        return 0.0
    down = rows - rows.mean()
    return float(np.clip((down * columns).sum() / max((down**2).sum(), 1), -MOST_SLANT, MOST_SLANT))


def straightened(ink: np.ndarray, slant: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns upright ink, in an array as wide as needed, and how many columns each row was moved by, int [height]."""
    sideways = np.rint(slant * (np.arange(len(ink)) - len(ink) // 2)).astype(np.int64)
    moved = sideways.max() - sideways
    upright = np.zeros((len(ink), ink.shape[1] + moved.max()), ink.dtype)
    np.put_along_axis(upright, moved[:, None] + np.arange(ink.shape[1]), ink, axis=1)
    return upright, moved


def most_cuts(width: int, height: float) -> int:
    """Returns the maximum number of cuts through ink of this width, for digits of this height."""
    return int(CUTS * width / height) if width > WIDE * height else 0


def find_cuts(ink: np.ndarray, height: float, most: int) -> list[np.ndarray]:
    """Returns paths along which ink may be cut, from left to right.

    Each is the cheapest from the top to its place at the bottom, found by dynamic programming, as in seam carving.

    Args:
        ink: float32 [height, width] in 0..1.
        height: of the digits, pixels.
        most: the maximum number of paths; the cheapest are taken.

    Returns:
        int [height] each: the first column right of the path in each row.
    """
    if not most:
        return []
    paths, costs = seams(ink)
    sums = np.pad(np.cumsum(ink, axis=1), ((0, 0), (1, 0)))
    left = sums[np.arange(len(ink)), paths].sum(axis=1)  # ink on the left of each path
    least = LEAST_INK * sums[:, -1].sum() * height / ink.shape[1]
    chosen = [0.0, float(sums[:, -1].sum())]
    found = []
    for path in np.argsort(costs, kind="stable"):
        if all(abs(left[path] - other) >= least for other in chosen):
            chosen.append(float(left[path]))
            found.append(int(path))
        if len(found) == most:
            break
    return [paths[path] for path in sorted(found, key=lambda path: left[path])]


def seams(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cheapest path to each column of the last row, int [width, height], and its cost, float [width]."""
    rows, columns = ink.shape
    cost, steps = ink[0].astype(np.float64), np.zeros(ink.shape, np.int64)
    padded = np.full(columns + 2, np.inf)
    for row in range(1, rows):
        padded[1:-1] = cost
        choices = np.stack([padded[1:-1], padded[:-2] + SIDEWAYS, padded[2:] + SIDEWAYS])
        best = choices.argmin(axis=0)
        steps[row] = np.array([0, -1, 1])[best]
        cost = choices[best, np.arange(columns)] + ink[row]
    paths = np.zeros((columns, rows), np.int64)
    place = np.arange(columns)
    for row in range(rows - 1, -1, -1):
        paths[:, row] = place
        place = place + steps[row, place]
    return paths, cost


def cut_apart(ink: np.ndarray, cuts: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the ink left of the first cut, between cuts, and right of the last; each as large as the whole."""
    columns = np.arange(ink.shape[1])
    part = sum((columns >= cut[:, None] for cut in cuts), np.zeros(ink.shape, np.int64))
    return [np.where(part == number, ink, 0) for number in range(len(cuts) + 1)]
