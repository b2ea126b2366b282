import numpy as np
import pytest

from flaxdigits.errors import ConfigError
from flaxdigits.recognizer import Recognizer
from flaxdigits.views import ROTATION, SCALE, SHEAR, SHIFT, AveragingRecognizer, view, view_grids


def test_the_first_view_is_the_digit_as_it_is(mnist_test):
    np.testing.assert_array_equal(view(mnist_test.images[:20], view_grids(3)[0]), mnist_test.images[:20])


def test_the_views_of_few_are_the_first_of_many():
    np.testing.assert_array_equal(view_grids(3), view_grids(9)[:3])


def test_other_views_are_near(mnist_test):
    for grid in view_grids(9)[1:]:
        seen = view(mnist_test.images[:20], grid)
        assert seen.dtype == np.float32
        assert 0 <= seen.min() <= seen.max() <= 255
        assert not np.array_equal(seen, mnist_test.images[:20])
    centres = view_grids(9)[:, 14, 14]  # where the centre comes from: no rotation moves it
    assert 0 < np.abs(centres - 14).max() <= SHIFT
    # at the corners, 14 pixels each way: what rotation, shear and scale move at most, by the sums of their amounts
    assert np.abs(view_grids(99) - view_grids(1)).max() <= SHIFT + 14 * (np.deg2rad(ROTATION) + SHEAR + 2 * SCALE) + 0.5


def test_fewer_than_one_view_is_refused():
    with pytest.raises(ConfigError, match="views: expected 1 or more, got 0"):
        view_grids(0)


def test_a_shift_by_hand():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 10, 12] = 200
    grid = view_grids(1)[0] + np.float32([0.25, 0.5])  # from a quarter of a pixel to the right, half a pixel below
    expected = np.zeros((28, 28))
    expected[9:11, 11:13] = [[25, 75], [25, 75]]
    np.testing.assert_allclose(view(image, grid)[0], expected)


def test_beyond_the_edge_is_paper():
    full = np.full((1, 28, 28), 255, np.uint8)
    seen = view(full, view_grids(1)[0] + np.float32([100, 0]))
    assert seen.max() == 0
    assert view(full, view_grids(1)[0] - np.float32([0.5, 0]))[0, :, 0] == pytest.approx(127.5)


def test_the_mean_of_views_by_hand(tiny_model, mnist_test):
    images = mnist_test.images[:50]
    recognizer = Recognizer(tiny_model)
    seen = [recognizer(np.rint(view(images, grid)).astype(np.uint8)).probabilities for grid in view_grids(4)]
    powers = np.prod(np.float64(seen), axis=0) ** 0.25
    answer = AveragingRecognizer(recognizer, 4)(images)
    np.testing.assert_allclose(answer.probabilities, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_array_equal(answer.digits, answer.probabilities.argmax(axis=1))
