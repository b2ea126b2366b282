import numpy as np
import pytest

from benchmarks import corruptions
from benchmarks.corruptions import CORRUPTIONS
from benchmarks.robustness import judge
from flaxdigits import Recognizer
from flaxdigits.training.config import Deformation

COUNT = 400
RANDOM = CORRUPTIONS.keys() - {"none", "blur", "thin", "thick", "contrast"}


@pytest.fixture(scope="module")
def images(mnist_train):
    return mnist_train.images[:COUNT]


@pytest.fixture(scope="module")
def corrupted(images):
    return {name: corrupt(images, np.random.default_rng(7)) for name, corrupt in CORRUPTIONS.items()}


def ink(images):
    return images.sum(axis=(1, 2), dtype=float)


def centre_of_mass(images):
    """Row and column, [2, n]."""
    return np.einsum("nyx,iyx->in", images.astype(float), np.mgrid[:28, :28]) / ink(images)


def bar(height, width):
    """An upright bar in the place that the maps turn about, COUNT times."""
    down, across = np.abs(np.mgrid[:28, :28] - corruptions.CENTRE)
    one = np.where((down <= height / 2) & (across <= width / 2), 255, 0).astype(np.uint8)
    return np.repeat(one[None], COUNT, axis=0)


def moments(images):
    """The second moments about the centre of mass: down-down, down-across, across-across, [3, n]."""
    down, across = np.mgrid[:28, :28][:, None] - centre_of_mass(images)[..., None, None]
    share = images / ink(images)[:, None, None]
    return np.array([(share * product).sum(axis=(1, 2)) for product in (down * down, down * across, across * across)])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_gives_images_again_and_leaves_its_own_alone(images, name):
    before = images.copy()
    found = CORRUPTIONS[name](images, np.random.default_rng(7))
    assert found.dtype == np.uint8
    assert found.shape == images.shape
    assert (found.max(axis=(1, 2)) > 50).all()  # some ink is left in each
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_seed_gives_the_same_bytes(images, corrupted, name):
    np.testing.assert_array_equal(CORRUPTIONS[name](images, np.random.default_rng(7)), corrupted[name])
    other = CORRUPTIONS[name](images, np.random.default_rng(8))
    assert (other != corrupted[name]).any() == (name in RANDOM)


def test_only_none_is_the_identity(images, corrupted):
    assert [name for name, found in corrupted.items() if (found == images).all()] == ["none"]
    assert next(iter(CORRUPTIONS)) == "none"


def test_the_maps_go_beyond_what_the_default_preset_trains_on():
    trained = Deformation()
    assert trained.rotation < corruptions.ROTATION
    assert trained.shift < corruptions.SHIFT
    assert trained.shear < corruptions.SHEAR
    assert trained.elastic < corruptions.ELASTIC
    assert trained.smoothness == corruptions.SMOOTHNESS
    assert corruptions.SCALE[0] < np.exp(-trained.scale) < np.exp(trained.scale) < corruptions.SCALE[1]


def test_noise_has_the_deviation_asked_for():
    grey = np.full((COUNT, 28, 28), 128, np.uint8)
    found = corruptions.noise(grey, np.random.default_rng(0)).astype(float) - 128
    assert np.median(np.abs(found)) == pytest.approx(0.6745 * corruptions.NOISE, rel=0.02)  # clipping moves no median
    assert abs(np.median(found)) <= 1


def test_salt_and_pepper_are_as_many_as_stated_and_half_and_half():
    found = corruptions.salt_and_pepper(np.full((COUNT, 28, 28), 128, np.uint8), np.random.default_rng(0))
    assert set(np.unique(found)) == {0, 128, 255}
    for grey in (0, 255):
        assert (found == grey).mean() == pytest.approx(corruptions.SPECKS / 2, rel=0.05)


def test_blur_spreads_ink_by_its_deviation():
    square = bar(6, 6)
    spread = moments(corruptions.blur(square, np.random.default_rng(0))) - moments(square)
    for found, expected in zip(spread, (corruptions.BLUR**2, 0, corruptions.BLUR**2), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.03)  # whole grey levels end the Gaussian's tails


def test_thin_lies_in_the_digit_and_the_digit_in_thick(images, corrupted):
    assert (corrupted["thin"] <= images).all()
    assert (images <= corrupted["thick"]).all()
    assert (ink(corrupted["thin"]) < 0.8 * ink(images)).all()
    assert (ink(corrupted["thick"]) > 1.2 * ink(images)).all()


def test_strokes_lose_one_pixel_and_gain_two():
    stroke = np.zeros((1, 28, 28), np.uint8)
    stroke[0, :, 12:15] = 255
    widths = {f: (f(stroke, np.random.default_rng(0))[0, 14] > 0).sum() for f in (corruptions.thin, corruptions.thick)}
    assert widths == {corruptions.thin: 2, corruptions.thick: 5}


def test_rotation_turns_as_far_as_stated_and_no_further():
    down, askew, across = moments(corruptions.rotation(bar(16, 3), np.random.default_rng(0)))
    angle = np.rad2deg(0.5 * np.arctan2(2 * askew, down - across))
    assert 0.95 * corruptions.ROTATION < angle.max() < corruptions.ROTATION + 0.5
    assert 0.95 * corruptions.ROTATION < -angle.min() < corruptions.ROTATION + 0.5


def test_rotation_and_shear_keep_the_ink(images, corrupted):
    whole = np.pad(images[:, 4:-4, 4:-4], ((0, 0), (4, 4), (4, 4)))  # nothing of a digit leaves the image
    for name in ("rotation", "shear"):
        kept = ink(CORRUPTIONS[name](whole, np.random.default_rng(7))) / ink(whole)
        assert kept.mean() == pytest.approx(1, abs=0.01)
        assert (np.abs(kept - 1) < 0.06).all()


def test_shift_moves_the_centre_of_mass_by_whole_pixels_as_far_as_stated():
    blob = bar(6, 4)
    moved = centre_of_mass(corruptions.shift(blob, np.random.default_rng(0))) - centre_of_mass(blob)
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-9)
    assert [moved.min(), moved.max()] == pytest.approx([-corruptions.SHIFT, corruptions.SHIFT])
    assert (moved[0] != moved[1]).any()


def test_scale_reaches_both_its_factors_and_keeps_the_form():
    square = bar(12, 12)
    found = corruptions.scale(square, np.random.default_rng(0))
    down, _, across = moments(found)
    np.testing.assert_allclose(down, across, rtol=1e-6)
    factor = np.sqrt(down / moments(square)[0])
    np.testing.assert_allclose([factor.min(), factor.max()], corruptions.SCALE, rtol=0.03)


def test_shear_slants_as_far_as_stated_and_keeps_each_row():
    found = corruptions.shear(bar(16, 4), np.random.default_rng(0))
    down, askew, _ = moments(found)
    assert [(askew / down).min(), (askew / down).max()] == pytest.approx(
        [-corruptions.SHEAR, corruptions.SHEAR], rel=0.05
    )
    assert (np.abs(found.sum(axis=2, dtype=float) - bar(16, 4).sum(axis=2)) <= 4).all()  # but for rounding


def test_the_elastic_displacement_has_the_deviation_and_the_reach_asked_for():
    field = corruptions.displacement(4000, np.random.default_rng(0))
    np.testing.assert_allclose(field.std(axis=0), corruptions.ELASTIC, rtol=0.06)  # in each of the 28 x 28 places
    # White noise smoothed by a Gaussian of sigma has the correlation exp(-d^2 / 4 sigma^2) at distance d.
    for distance in (2, 4, 8):
        found = np.mean(field[:, 14, 8] * field[:, 14, 8 + distance]) / corruptions.ELASTIC**2
        assert found == pytest.approx(np.exp(-(distance**2) / (4 * corruptions.SMOOTHNESS**2)), abs=0.06)


def test_occlusion_takes_one_square_out_of_the_middle():
    full = np.full((COUNT, 28, 28), 255, np.uint8)
    gone = corruptions.occlusion(full, np.random.default_rng(0)) == 0
    assert (gone.sum(axis=(1, 2)) == corruptions.PATCH**2).all()
    assert (gone.any(axis=1).sum(axis=1) == corruptions.PATCH).all()
    away = np.abs(centre_of_mass(255 * gone.astype(np.uint8)) - 14)
    assert away.max() == corruptions.AROUND


def test_occlusion_only_removes_ink(images, corrupted):
    found = corrupted["occlusion"]
    assert ((found == images) | (found == 0)).all()


def test_contrast_leaves_half_the_ink(images, corrupted):
    np.testing.assert_allclose(corrupted["contrast"], corruptions.CONTRAST * images, atol=0.5)


def test_a_model_is_judged_on_the_corrupted_digits_and_alike_each_time(mnist_train, tiny_model):
    recognizer, digits = Recognizer(tiny_model), mnist_train[5000:5400]
    clean, shifted, again = (judge(name, digits, [recognizer])[0] for name in ("none", "shift", "shift"))
    assert clean == 100 * (recognizer(digits.images).digits == digits.labels).mean()
    assert shifted == again < clean - 10
