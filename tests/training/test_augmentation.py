import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import generate_binary_structure, grey_dilation, grey_erosion, map_coordinates

from flaxdigits.training import augmentation
from flaxdigits.training.augmentation import (
    affine_map,
    annealed_strength,
    draw_words,
    elastic_field,
    grow_strokes,
    sample,
    stroke_growth,
    uniform,
)
from flaxdigits.training.config import NO_AUGMENTATION, Augmentation

KEY = jax.random.key(3)

augment = jax.jit(augmentation.augment, static_argnames="ranges")  # as in training; each operation alone is slower


def draw(count):
    """Returns the random words of `count` digits as augment draws them: affine, elastic, stroke."""
    return draw_words(KEY, count)


def only(**ranges):
    return Augmentation(**{"rotation": 0, "shear": 0, "scale": 0, "shift": 0, "elastic": 0} | ranges)


def test_no_augmentation_is_the_identity(mnist_test):
    images = mnist_test.images[:20]
    np.testing.assert_array_equal(augment(jnp.asarray(images), KEY, NO_AUGMENTATION), images)


def test_sampling_equals_scipy(mnist_test):
    images = mnist_test.images[:8]
    rows, columns = np.random.default_rng(0).uniform(-4, 31, (2, 8, 28, 28)).astype(np.float32)
    expected = [
        map_coordinates(image.astype(np.float32), [r, c], order=1, mode="grid-constant")
        for image, r, c in zip(images, rows, columns, strict=True)
    ]
    np.testing.assert_allclose(sample(jnp.asarray(images), rows, columns), expected, atol=1e-2)


def test_pixels_stay_in_their_range(mnist_test):
    augmented = augment(jnp.asarray(mnist_test.images[:200]), KEY, Augmentation())
    assert 0 <= augmented.min() <= augmented.max() <= 255


def test_the_elastic_displacement_has_the_configured_deviation():
    field = jnp.stack(elastic_field(draw(4000)[1], only(elastic=1.5)))
    np.testing.assert_allclose(field.std(axis=1), 1.5, rtol=0.05)  # in each of the 28 x 28 places
    np.testing.assert_allclose(field.mean(), 0, atol=0.02)


def test_the_elastic_displacement_has_the_correlation_of_its_gaussian():
    # White noise smoothed by a Gaussian of sigma has the correlation exp(-d^2 / 4 sigma^2) at distance d.
    field = elastic_field(draw(8000)[1], only(elastic=1, elastic_sigma=4))[0]
    for distance in (2, 4, 8):
        found = jnp.mean(field[:, 14, 8] * field[:, 14, 8 + distance])
        assert float(found) == pytest.approx(np.exp(-(distance**2) / 64), abs=0.05)


def test_the_draws_of_a_digit_and_of_its_neighbour_are_independent():
    affine, elastic, stroke = draw(8000)
    down, right = (field[:, 14, 14] for field in elastic_field(elastic, only(elastic=1)))
    growth = stroke_growth(stroke, only(stroke_width=1))[:, 0, 0]
    draws = jnp.stack([*uniform(affine).T, growth, down, right, jnp.roll(down, 1), jnp.roll(growth, 1)])
    np.testing.assert_allclose(jnp.corrcoef(draws), jnp.eye(len(draws)), atol=5 / 8000**0.5)


@pytest.mark.parametrize(
    ("ranges", "largest"),
    [(only(shift=2.0), 2.0), (only(rotation=90), 28.0), (only(shear=0.5), 7.0), (only(scale=np.log(2)), 14.0)],
)
def test_an_affine_range_is_reached_and_not_exceeded(ranges, largest):
    rows, columns = affine_map(draw(3000)[0], ranges)
    ideal = jnp.arange(28.0)
    moved = jnp.maximum(jnp.abs(rows - ideal[:, None]), jnp.abs(columns - ideal[None, :])).max()
    assert 0.95 * largest < moved <= largest + 1e-4


def test_a_whole_pixel_shift_moves_the_image(mnist_test):
    image = jnp.asarray(mnist_test.images[:1])
    rows, columns = jnp.indices((1, 28, 28), jnp.float32)[1:]
    np.testing.assert_array_equal(sample(image, rows + 1, columns)[0, :-1], image[0, 1:])


def test_the_key_decides_the_augmentation(mnist_test):
    images = jnp.asarray(mnist_test.images[:4])
    first, same, other = (augment(images, jax.random.key(seed), Augmentation()) for seed in (1, 1, 2))
    assert jnp.array_equal(first, same)
    assert not jnp.allclose(first, other)


def test_strength_scales_every_displacement(mnist_test):
    images = jnp.asarray(mnist_test.images[:20])
    np.testing.assert_allclose(augment(images, KEY, Augmentation(), 0.0), images)
    np.testing.assert_allclose(
        augment(images, KEY, Augmentation(), 1.0), augment(images, KEY, Augmentation()), atol=0.1
    )
    shift = only(shift=2)
    half = augment(images, KEY, shift, 0.5)
    moved = [
        map_coordinates(image.astype(np.float32), grid, order=1, mode="grid-constant")
        for image, grid in zip(np.asarray(images), halfway(*affine_map(draw(20)[0], shift)), strict=True)
    ]
    np.testing.assert_allclose(half, moved, atol=1e-2)


def halfway(rows, columns):
    y, x = np.mgrid[:28, :28]
    rows, columns = np.broadcast_to(rows, (20, 28, 28)), np.broadcast_to(columns, (20, 28, 28))
    return [(y + (r - y) / 2, x + (c - x) / 2) for r, c in zip(rows, columns, strict=True)]


def test_the_strength_falls_to_0_over_the_last_share_of_the_training():
    found = [float(annealed_strength(jnp.int32(step), 1000, 0.4)) for step in (0, 600, 800, 900, 999)]
    np.testing.assert_allclose(found, [1, 1, 0.5, 0.25, 0.0025], rtol=1e-6)
    assert annealed_strength(jnp.int32(999), 1000, 0.0) == 1


@pytest.mark.parametrize("growth", [-1.0, -0.4, 0.0, 0.3, 1.0, 1.6, 2.0])
def test_grown_strokes_equal_scipy_s_dilation(mnist_test, growth):
    images = mnist_test.images[:8].astype(np.float32)
    plus = generate_binary_structure(2, 1)[None]
    thinner = grey_erosion(images, footprint=plus, mode="constant", cval=255)
    once = grey_dilation(images, footprint=plus, mode="constant")
    twice = grey_dilation(once, footprint=plus, mode="constant")
    of_each = {-1: thinner, 0: images, 1: once, 2: twice}
    below = int(np.floor(min(growth, 1.99)))
    share = growth - below
    expected = (1 - share) * of_each[below] + share * of_each[below + 1]
    np.testing.assert_allclose(grow_strokes(jnp.asarray(images), jnp.full((8, 1, 1), growth)), expected, atol=1e-3)


def test_strokes_grow_twice_as_much_as_they_shrink():
    growth = stroke_growth(draw(5000)[2], only(stroke_width=1.5))
    assert -0.75 <= growth.min() < -0.74
    assert 1.48 < growth.max() <= 1.5


def test_stroke_width_changes_the_ink_by_its_strength(mnist_test):
    images = jnp.asarray(mnist_test.images[:200])
    change = augment(images, KEY, only(stroke_width=1.0)).sum(axis=(1, 2)) / images.sum(axis=(1, 2), dtype=jnp.float32)
    assert change.min() < 0.9
    assert change.max() > 1.3
    np.testing.assert_array_equal(augment(images, KEY, only(stroke_width=1.0), 0.0), images)
