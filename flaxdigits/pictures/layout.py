"""The layout of a page: strokes -> lines of pieces, each a digit, a part of one, or a mark."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from flaxdigits.pictures.cuts import cut, slant_of

if TYPE_CHECKING:
    from flaxdigits.pictures.strokes import Strokes

SPECK = 0.25  # of the digits' height; a component that is neither as high nor as wide is a speck
TALL, SHORT = 2.2, 0.45  # heights of a component that is part of a line, as a share of the digits' height
THIN = 0.5  # width of a stroke that belongs to a ruled line, as a share of the usual one
LINE_GAP = 0.55  # minimum distance between the middles of two lines, as a share of the digits' height
REACH = 3.0  # how far away the next digit of a line may be when the slope is measured, in digit heights
PART = 0.7  # share of the digits' height up to which a component may be a part of a digit
NARROW = 1.1  # width, in heights, of the widest components whose slants are measured
FEW = 3  # minimum number of these
OVERLAP = 0.5  # share of a component's width that overlaps another's, from which both are parts of one digit


class Piece(NamedTuple):
    """Ink that is not divided further.

    Attributes:
        box: left, top, right, bottom, pixels.
        ink: float32 [bottom - top, right - left] in 0..1.
        follows_cut: whether it is from the same component as the previous piece.
    """

    box: tuple[int, int, int, int]
    ink: np.ndarray
    follows_cut: bool = False


class Line(NamedTuple):
    """A line of writing.

    Attributes:
        pieces: from left to right.
        height: of its digits, pixels.
    """

    pieces: list[Piece]
    height: float


def find_lines(strokes: "Strokes") -> list[Line]:
    """Returns the lines of a page from the top; empty for a page without ink."""
    boxes = strokes.boxes.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    height = digit_height(sizes[:, 1], sizes[:, 0], strokes.areas)
    if not height:
        return []
    tall = (sizes[:, 1] >= SHORT * height) & (sizes[:, 1] <= TALL * height)
    usual = np.median(strokes.widths[tall].repeat(strokes.areas[tall])) if tall.any() else 0
    bodies = np.flatnonzero(tall & (strokes.widths >= THIN * usual))
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    level = middles[:, 1] - slope_of(middles[bodies], height) * middles[:, 0]
    slant = writing_slant(strokes, bodies)
    lines = []
    for members in rows_of(level, bodies, LINE_GAP * height):
        marks = marks_beside(boxes, sizes, members, bodies, height)
        lines.append(Line(pieces_of(strokes, [*members, *marks], height, slant), height))
    return lines


def digit_height(heights: np.ndarray, widths: np.ndarray, areas: np.ndarray) -> float:
    """Returns the height of a page's digits, pixels: the median of its components', by area; 0 without any."""
    plausible = (heights >= 8) & (heights < 20 * widths + 8) & (widths < 12 * heights)
    if not plausible.any():
        return 0.0
    order = np.argsort(heights[plausible])
    weight = np.cumsum(areas[plausible][order])
    return float(heights[plausible][order][np.searchsorted(weight, weight[-1] / 2)])


def slope_of(middles: np.ndarray, height: float) -> float:
    """Returns the slope of the lines: the median of the slopes from each component to the next on its right."""
    slopes = []
    for middle in middles:
        right, down = (middles - middle).T
        near = (right > 0.3 * height) & (right < REACH * height) & (np.abs(down) < 0.5 * height)
        if near.any():
            nearest = np.flatnonzero(near)[right[near].argmin()]
            slopes.append(down[nearest] / right[nearest])
    return float(np.median(slopes)) if slopes else 0.0


def writing_slant(strokes: "Strokes", bodies: np.ndarray) -> float:
    """Returns the slant of the writing, as `slant_of` does: the median of the components that may be one digit."""
    boxes = strokes.boxes[bodies]
    narrow = boxes[:, 2] - boxes[:, 0] <= NARROW * (boxes[:, 3] - boxes[:, 1])
    slants = [
        slant_of(strokes.labels[top:bottom, left:right] == body + 1)
        for body, (left, top, right, bottom) in zip(bodies[narrow], boxes[narrow], strict=True)
    ]
    return float(np.median(slants)) if len(slants) >= FEW else 0.0


def rows_of(level: np.ndarray, bodies: np.ndarray, gap: float) -> list[np.ndarray]:
    """Returns the components of each row from the top: those whose levels follow each other without a gap."""
    if not len(bodies):
        return []
    order = bodies[np.argsort(level[bodies])]
    return np.split(order, np.flatnonzero(np.diff(level[order]) > gap) + 1)


def marks_beside(
    boxes: np.ndarray, sizes: np.ndarray, members: np.ndarray, bodies: np.ndarray, height: float
) -> list[int]:
    """Returns the components smaller than digits that belong to a row, such as the bar of a 5."""
    small = np.setdiff1d(np.flatnonzero(sizes.max(axis=1) >= SPECK * height), bodies)
    small = small[sizes[small, 1] < SHORT * height]
    found = []
    for mark in small:
        left, top, right, bottom = boxes[mark]
        near = boxes[members]
        apart = np.maximum(np.maximum(near[:, 0] - right, left - near[:, 2]), 0)
        above = np.maximum(np.maximum(near[:, 1] - bottom, top - near[:, 3]), 0)
        if (np.maximum(apart, above) < 0.25 * height).any():
            found.append(int(mark))
    return found


def pieces_of(strokes: "Strokes", members: list[int], height: float, slant: float) -> list[Piece]:
    """Returns the pieces of a row from left to right: components, joined where one is above another, or cut."""
    order = sorted(members, key=lambda member: strokes.boxes[member][0])
    groups = joined([(strokes.boxes[member], [member]) for member in order], PART * height)
    found: list[tuple[Piece, int]] = []
    for component, (box, parts) in enumerate(groups):
        left, top, right, bottom = box
        area = np.isin(strokes.labels[top:bottom, left:right], np.array(parts) + 1)
        ink = np.where(area, strokes.ink[top:bottom, left:right], 0)
        found += [(cropped(part, left, top), component) for part in cut(ink, height, slant) if part.any()]
    found.sort(key=lambda item: item[0].box[0] + item[0].box[2])
    before = [None, *(component for _, component in found)]
    return [
        piece._replace(follows_cut=component == last) for (piece, component), last in zip(found, before, strict=False)
    ]


def joined(groups: list[tuple[np.ndarray, list[int]]], low: float) -> list[tuple[np.ndarray, list[int]]]:
    """Returns components from left to right, joining two if the narrower is mostly above or below the other.

    Two that are both taller than `low` stay separate: one leans over the other.
    """
    found: list[tuple[np.ndarray, list[int]]] = []
    for box, parts in groups:
        if found:
            before, others = found[-1]
            shared = min(before[2], box[2]) - max(before[0], box[0])
            lower = min(before[3] - before[1], box[3] - box[1])
            if lower <= low and shared > OVERLAP * min(before[2] - before[0], box[2] - box[0]):
                both = np.concatenate([np.minimum(before[:2], box[:2]), np.maximum(before[2:], box[2:])])
                found[-1] = (both, [*others, *parts])
                continue
        found.append((box, parts))
    return found


def cropped(ink: np.ndarray, left: int, top: int) -> Piece:
    """Returns a piece without the empty rows and columns around its ink; `left` and `top` are those of the array."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    first, last, start, end = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return Piece((left + start, top + first, left + end, top + last), ink[first:last, start:end])
