from itertools import pairwise

import numpy as np
import pytest

from flaxdigits.pictures.cuts import cut_apart, find_cuts, most_cuts, seams


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


@pytest.mark.parametrize(("width", "most"), [(10, 0), (20, 3), (65, 9)])
def test_wide_ink_may_be_cut_in_more_places(width, most):
    assert most_cuts(width, 20.0) == most


def test_what_may_not_be_cut_stays_whole():
    assert find_cuts(touching(), 20, 0) == []
    assert len(cut_apart(touching(), [])) == 1
