import numpy as np
import pytest

from flaxdigits.inference.recognizer import Prediction
from flaxdigits.lattice import groups_of, likeliest, shape_cost
from flaxdigits.pictures.layout import Line, Piece


def piece(left, width=20, height=40, follows_cut=False):
    return Piece((left, 0, left + width, height), np.ones((height, width), np.float32), follows_cut)


def line(*pieces):
    return Line(list(pieces), 40.0)


def prediction(line, certain):
    """One that is sure of the groups whose first and end pieces are given, and of no others."""
    sure = [(group.first, group.end) in certain for group in groups_of(line)]
    probabilities = np.full((len(sure), 10), 0.1, np.float32)
    return Prediction(np.zeros(len(sure), np.int64), probabilities, np.where(sure, 1, 1e-4).astype(np.float32))


def path(line, *certain):
    groups = groups_of(line)
    return [(groups[index].first, groups[index].end) for index in likeliest(line, groups, prediction(line, certain))]


THREE = line(piece(0), piece(20, follows_cut=True), piece(43, width=15))


def test_groups_are_neighbours_that_are_not_too_wide_together():
    wide = line(piece(0), piece(20), piece(40), piece(200))
    assert [(group.first, group.end) for group in groups_of(wide)] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
        (3, 4),
    ]
    assert groups_of(line(piece(0, width=90)))[0].box == (0, 0, 90, 40)  # one piece may be as wide as it is


@pytest.mark.parametrize(
    "certain",
    [[(0, 1), (1, 2), (2, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 3)], [(0, 3)]],
    ids=lambda found: str(len(found)),
)
def test_the_groups_that_are_surely_digits_are_taken(certain):
    assert path(THREE, *certain) == certain


def test_every_piece_is_used_even_where_nothing_is_a_digit():
    assert path(THREE)[0][0] == 0
    assert path(THREE)[-1][1] == 3


def test_a_model_that_answers_nan_still_gives_a_sequence():
    groups = groups_of(THREE)
    nothing = np.full(len(groups), np.nan, np.float32)
    found = likeliest(
        THREE, groups, Prediction(np.zeros(len(groups), int), np.full((len(groups), 10), np.nan), nothing)
    )
    assert groups[found[-1]].end == 3


def test_joining_what_does_not_touch_and_dividing_what_does_cost_something():
    costs = {(group.first, group.end): shape_cost(group, THREE) for group in groups_of(THREE)}
    assert costs[0, 1] == costs[2, 3] == 0
    assert costs[0, 2] == 0  # joins what was cut
    assert costs[1, 2] > 0  # divides it
    assert costs[0, 3] > 0  # joins another component
    small = line(piece(0, height=10))
    assert shape_cost(groups_of(small)[0], small) > 0
