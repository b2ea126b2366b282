from itertools import pairwise

import numpy as np
import pytest

from flaxdigits.pictures.cuts import cut, cut_apart, find_cuts, most_cuts, seams, slant_of, straightened


def touching():
    """Two upright bars that a thin bridge joins, float32 [20, 17]."""
    ink = np.zeros((20, 17), np.float32)
    ink[:, 2:6] = ink[:, 11:15] = 1
    ink[9, 6:11] = 1
    return ink


def test_a_seam_is_the_cheapest_path_to_its_place():
    rng = np.random.default_rng(0)
    ink = rng.uniform(size=(6, 4)).astype(np.float32)
    paths, costs = seams(ink)
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 5, indexing="ij"), axis=-1).reshape(-1, 5)
    for end in range(4):
        ways = end + np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))[:, ::-1]
        ways = ways[((ways >= 0) & (ways < 4)).all(axis=1)]
        price = ink[np.arange(6), ways].sum(axis=1) + 0.15 * np.abs(np.diff(ways, axis=1)).sum(axis=1)
        assert costs[end] == pytest.approx(price.min(), abs=1e-5)
        assert np.array_equal(paths[end], ways[price.argmin()])


def test_touching_ink_is_cut_where_it_is_thin():
    ink = touching()
    (cut,) = find_cuts(ink, 20, 1)
    assert ((cut >= 6) & (cut <= 11)).all()
    left, right = cut_apart(ink, [cut])
    assert np.array_equal(left + right, ink)
    assert left[:, :6].sum() == ink[:, :6].sum()
    assert right[:, 11:].sum() == ink[:, 11:].sum()


def test_cuts_come_from_left_to_right_and_leave_ink_between_them():
    ink = np.concatenate([touching(), touching()], axis=1)
    cuts = find_cuts(ink, 20, 3)
    parts = cut_apart(ink, cuts)
    assert len(cuts) == 3
    assert all((left <= right).all() for left, right in pairwise(cuts))
    assert all(part.sum() >= 60 for part in parts)


@pytest.mark.parametrize(("width", "most"), [(8, 0), (20, 4), (65, 13)])
def test_wide_ink_may_be_cut_in_more_places(width, most):
    assert most_cuts(width, 20.0) == most


def test_what_may_not_be_cut_stays_whole():
    assert find_cuts(touching(), 20, 0) == []
    assert len(cut_apart(touching(), [])) == 1


def slanted(ink, slant):
    """The same ink leaning: each row moved by the slant times its distance from the top."""
    wide = np.zeros((len(ink), ink.shape[1] + int(abs(slant) * len(ink)) + 1), np.float32)
    for row, values in enumerate(ink):
        start = round(slant * row) if slant > 0 else round(-slant * (len(ink) - 1 - row))
        wide[row, start : start + len(values)] = values
    return wide


@pytest.mark.parametrize("slant", [-0.7, -0.3, 0.0, 0.5])
def test_the_slant_of_a_bar_is_how_far_it_leans(slant):
    bar = np.ones((30, 4), np.float32)
    assert slant_of(slanted(bar, slant)) == pytest.approx(slant, abs=0.02)


def test_ink_is_straightened_by_its_slant_and_nothing_of_it_is_lost():
    ink = slanted(touching(), -0.6)
    upright, moved = straightened(ink, -0.6)
    assert upright.sum() == ink.sum()
    assert abs(slant_of(upright)) < 0.05
    assert all(np.array_equal(row[start : start + ink.shape[1]], values) for row, start, values in
               zip(upright, moved, ink, strict=True))  # fmt: skip


def test_the_seam_between_leaning_bars_costs_nothing_once_they_are_upright():
    ink = np.kron(slanted(np.delete(touching(), 9, axis=0), -0.9), np.ones((2, 2), np.float32))
    upright, _ = straightened(ink, -0.9)
    between = slice(*np.flatnonzero(upright.any(axis=0))[[0, -1]])
    assert seams(upright[:, between])[1].min() == 0
    assert seams(ink[:, 20:-20])[1].min() > 2


def test_leaning_digits_that_touch_are_cut_along_their_slant():
    ink = slanted(touching(), -0.7)
    left, right = cut(ink, 20, -0.7)
    bars = [slanted(np.where(np.isin(np.arange(17), range(at, at + 4)), touching(), 0), -0.7) for at in (2, 11)]
    assert left[bars[1] > 0].sum() == right[bars[0] > 0].sum() == 0
    assert np.array_equal(left + right, ink)


def test_without_ink_there_is_nothing_to_cut():
    blank = np.zeros((9, 9), np.float32)
    assert len(cut(blank, 9, 0.3)) == 1
    assert slant_of(blank) == 0
