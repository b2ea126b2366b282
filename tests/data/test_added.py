"""The pictures that are added to the digits of a training: fonts, groups of parts of touching digits, outliers."""

import numpy as np
import pytest

from flaxdigits.data.glyphs import load_glyphs
from flaxdigits.data.outliers import OUTLIER, is_straight, make_outliers
from flaxdigits.data.strings import label_of, make_groups, side_by_side, string_groups
from flaxdigits.pictures.normalization import centre_of_mass


@pytest.fixture(scope="module")
def glyphs():
    return load_glyphs()


def test_every_font_family_has_all_digits_and_a_free_licence(glyphs):
    assert set(glyphs.licences) <= {"OFL-1.1", "Apache-2.0"}
    for family in range(len(glyphs.names)):
        assert set("0123456789") <= set(glyphs.characters[glyphs.families == family])


def test_glyphs_are_in_mnist_s_form(glyphs):
    images = glyphs.images[::97].astype(np.float64)
    for image in images:
        rows, columns = (np.flatnonzero((image > 0).any(axis=axis)) for axis in (1, 0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    centres = np.array([centre_of_mass(image) for image in images])
    assert np.abs(centres - 14).mean() < 1


def test_outliers_are_the_same_for_a_seed_and_differ_between_seeds():
    first, again, other = (make_outliers(50, seed) for seed in (0, 0, 1))
    assert first.shape == (50, 28, 28)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first.reshape(50, -1), axis=0)) > 45


@pytest.mark.parametrize(
    ("ink", "straight"), [(np.eye(20), True), (np.ones((20, 4)), True), (np.ones((20, 20)), False)]
)
def test_a_stroke_along_one_direction_is_straight(ink, straight):
    assert is_straight(255 * ink.astype(np.float32)) is straight


def test_a_group_is_a_digit_where_it_holds_all_of_one_and_nothing_else():
    whole, labels = np.array([100.0, 80.0]), np.array([3, 7])
    assert label_of(np.array([100.0, 0.0]), whole, labels) == 3
    assert label_of(np.array([2.0, 80.0]), whole, labels) == 7
    assert label_of(np.array([100.0, 80.0]), whole, labels) == OUTLIER
    assert label_of(np.array([0.0, 40.0]), whole, labels) == OUTLIER
    assert label_of(np.array([78.0, 0.0]), whole, labels) is None  # neither clearly a digit nor clearly none


def test_neighbours_in_a_string_touch_or_nearly_do():
    rng = np.random.default_rng(0)
    for _ in range(50):
        bars = [np.ones((40, 6), np.float32), np.ones((36, 8), np.float32)]
        layers = side_by_side(bars, rng)
        assert [layer.sum() for layer in layers] == [bar.sum() for bar in bars]
        starts = [np.flatnonzero(layer.any(axis=0))[[0, -1]] for layer in layers]
        assert -4 <= starts[1][0] - starts[0][1] - 1 <= 1


def test_a_string_is_cut_into_digits_and_other_groups(mnist_train):
    rng = np.random.default_rng(0)
    groups = [group for _ in range(100) for group in string_groups(mnist_train.images, mnist_train.labels, rng)]
    labels = np.array([group.label for group in groups])
    assert set(labels) == {*range(10), OUTLIER}
    assert (labels < OUTLIER).sum() > 100  # two digits a string; most of them are found whole


def test_groups_do_not_depend_on_digits_without_ink(mnist_train):
    images, labels = mnist_train.images[:200], mnist_train.labels[:200]
    with_blank = np.concatenate([images, np.zeros((5, 28, 28), np.uint8)]), np.concatenate([labels, labels[:5]])
    found, again = make_groups(images, labels, 30, 0), make_groups(*with_blank, 30, 0)
    assert np.array_equal(found[0], again[0])
    assert np.array_equal(found[1], again[1])


def test_blank_digits_alone_have_no_groups():
    images, labels = make_groups(np.zeros((5, 28, 28), np.uint8), np.zeros(5, np.uint8), 10, 0)
    assert (len(images), len(labels)) == (0, 0)
