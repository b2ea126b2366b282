"""The lattice of a line: pieces in, the likeliest sequence of digits out.

Segmentation proposes pieces, and the recognizer decides which of them form digits: each group of neighbouring
pieces that could be one is read, and the likeliest sequence of groups that uses every piece is chosen
(over-segmentation: R. Casey, E. Lecolinet, "A Survey of Methods and Strategies in Character Segmentation", 1996).
"""

import math
from typing import NamedTuple

import numpy as np

from flaxdigits.inference.recognizer import Prediction, Recognizer
from flaxdigits.pictures.cuts import MOST_PIECES, WIDEST
from flaxdigits.pictures.layout import Line, Piece
from flaxdigits.pictures.normalization import Box, centre, fit_box

LEAST = 1e-6  # lower bound of a group's probability
UNITED_COST = 0.5  # nats for joining two components that do not touch
CUT_COST = 0.6  # nats for cutting one
SMALL, SMALL_COST = 0.75, 4.0  # nats for a digit below this share of the line's height, per height that it lacks


class Group(NamedTuple):
    """Neighbouring pieces of a line that may be a digit."""

    first: int
    end: int
    box: Box
    pixels: np.ndarray  # uint8 [28, 28]


class Read(NamedTuple):
    """A group of the likeliest sequence, and its reading."""

    box: Box
    digit: int
    probability: float
    digitness: float
    pixels: np.ndarray  # of the group


def read_lines(lines: list[Line], recognizer: Recognizer) -> list[list[Read]]:
    """Reads lines of pieces, each from left to right."""
    groups = [groups_of(line) for line in lines]
    everything = [group.pixels for members in groups for group in members]
    prediction = recognizer(np.stack(everything)) if everything else None
    found, start = [], 0
    for line, members in zip(lines, groups, strict=True):
        assert prediction
        part = Prediction(*(array[start : start + len(members)] for array in prediction))
        start += len(members)
        found.append([read_of(members[index], part, index) for index in likeliest(line, members, part)])
    return found


def shape_cost(group: Group, line: Line) -> float:
    """Returns the cost of reading a group as one digit, from its pieces' place and size alone, in nats."""
    unites = sum(not piece.follows_cut for piece in line.pieces[group.first + 1 : group.end])
    missing = max(0.0, SMALL - (group.box[3] - group.box[1]) / line.height)
    return UNITED_COST * unites + CUT_COST * line.pieces[group.first].follows_cut + SMALL_COST * missing


def read_of(group: Group, prediction: Prediction, index: int) -> Read:
    """Returns the reading of a group."""
    figures = float(prediction.confidences[index]), float(prediction.digitness[index])
    return Read(group.box, int(prediction.digits[index]), *figures, group.pixels)


def groups_of(line: Line) -> list[Group]:
    """Returns the groups of a line's neighbouring pieces that are not too wide for a digit."""
    groups = []
    for first in range(len(line.pieces)):
        for end in range(first + 1, min(first + MOST_PIECES, len(line.pieces)) + 1):
            pieces = line.pieces[first:end]
            box = united(pieces)
            if end > first + 1 and box[2] - box[0] > WIDEST * line.height:
                break
            groups.append(Group(first, end, box, drawn(pieces, box)))
    return groups


def united(pieces: list[Piece]) -> Box:
    """Returns the box around pieces."""
    left, top, right, bottom = zip(*(piece.box for piece in pieces), strict=True)
    return min(left), min(top), max(right), max(bottom)


def drawn(pieces: list[Piece], box: Box) -> np.ndarray:
    """Returns pieces as one picture in MNIST's form, uint8 [28, 28]."""
    left, top, right, bottom = box
    sheet = np.zeros((bottom - top, right - left), np.float32)
    for piece in pieces:
        area = sheet[piece.box[1] - top : piece.box[3] - top, piece.box[0] - left : piece.box[2] - left]
        np.maximum(area, piece.ink, out=area)
    return centre(fit_box(255 * sheet))


def likeliest(line: Line, groups: list[Group], prediction: Prediction) -> list[int]:
    """Returns the groups of the likeliest sequence that uses every piece, from left to right."""
    probable = np.fmax(prediction.digitness * prediction.confidences, LEAST)  # LEAST for NaN
    best = [0.0] + [math.inf] * len(line.pieces)  # the cost up to each piece, nats
    chosen = [-1] * len(best)
    for index, group in enumerate(groups):  # in the order of their first pieces
        cost = best[group.first] - math.log(probable[index]) + shape_cost(group, line)
        if cost < best[group.end]:
            best[group.end], chosen[group.end] = cost, index
    path, end = [], len(line.pieces)
    while end:
        path.append(chosen[end])
        end = groups[chosen[end]].first
    return path[::-1]
