import numpy as np
import pytest

from flaxdigits.data.digits import Digits
from flaxdigits.data.outliers import OUTLIER
from flaxdigits.errors import RunError, TrainingInterrupted
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.examples import Examples
from flaxdigits.training.fit import fit, resume


@pytest.fixture(scope="module")
def digits(mnist_train):
    return mnist_train[:400]


def examples(digits, **options):
    held_out = np.arange(len(digits)) % 4 == 0
    return Examples.of(digits, held_out, TrainConfig(**options)), held_out


def test_without_added_pictures_an_epoch_is_the_digits_that_are_not_held_out(digits):
    found, held_out = examples(digits, added_pictures=0)
    assert np.array_equal(found.rows, np.flatnonzero(~held_out))
    assert len(found) == 300
    assert np.array_equal(found.images(found.rows), digits.images[~held_out])
    assert np.array_equal(found.labels(found.rows), digits.labels[~held_out])


def test_added_pictures_are_fonts_groups_and_outliers(digits):
    found, _ = examples(digits, added_pictures=1.0)
    labels = found.labels(found.rows)
    assert len(found) == len(found.rows) == len(labels) == 600
    assert 0.3 < (labels[300:] == OUTLIER).mean() < 0.75
    assert len(np.unique(labels)) == 11
    assert found.images(found.rows).shape == (600, 28, 28)


def test_replayed_digits_are_of_the_other_data_set_and_own_ones_are_repeated(digits, mnist_test, tmp_path):
    np.savez(tmp_path / "old.npz", images=mnist_test.images[:1000], labels=mnist_test.labels[:1000])
    options = {"added_pictures": 0, "repeats": 3, "replay": 0.5, "replay_data": str(tmp_path / "old.npz")}
    found, held_out = examples(digits, **options)
    images, labels = found.images(found.rows), found.labels(found.rows)
    assert len(found) == len(images) == 1350
    assert np.array_equal(images[:900], np.tile(digits.images[~held_out], (3, 1, 1)))
    old = {(image.tobytes(), label) for image, label in zip(mnist_test.images[:1000], mnist_test.labels, strict=False)}
    assert {(image.tobytes(), label) for image, label in zip(images[900:], labels[900:], strict=True)} < old


def test_strings_are_made_of_replayed_digits_too():
    blank = Digits(np.zeros((40, 28, 28), np.uint8), np.arange(40, dtype=np.uint8) % 10)
    config = TrainConfig(added_pictures=1.0, replay=5.0)
    found = Examples.of(blank, np.zeros(40, bool), config)
    assert len(found) == len(found.rows) == 480
    places = slice(40 + 200 + 84, 40 + 200 + 84 + 84)  # after own ones, replayed ones and those of fonts
    groups, labels = found.images(found.rows)[places], found.labels(found.rows)[places]
    assert len(np.unique(groups, axis=0)) > 40
    assert len(np.unique(labels[labels != OUTLIER])) >= 8


def test_digits_and_added_pictures_may_be_asked_for_in_any_order(digits):
    found, _ = examples(digits, added_pictures=0.5)
    order = np.random.default_rng(0).permutation(found.rows)
    whole = found.images(found.rows)
    places = np.argsort(found.rows, kind="stable")
    expected = whole[places[np.searchsorted(found.rows, order, sorter=places)]]
    assert np.array_equal(found.images(order), expected)


def test_an_epoch_longer_than_the_different_pictures_repeats_them(digits, monkeypatch):
    monkeypatch.setattr("flaxdigits.training.examples.MOST", 20)
    found, _ = examples(digits, added_pictures=1.0)
    outliers = found.rows[found.labels(found.rows) == OUTLIER]
    assert len(np.unique(outliers)) < len(outliers)


def test_the_same_seed_gives_the_same_pictures(digits):
    first, again, other = (examples(digits, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first.images(first.rows), again.images(again.rows))
    assert not np.array_equal(first.images(first.rows), other.images(other.rows))


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_added_pictures(digits, tmp_path, monkeypatch):
    config = TrainConfig(hidden=(8,), epochs=2, batch_size=64, device="cpu")
    steps = []
    with pytest.raises(TrainingInterrupted):
        list(fit(digits, config, tmp_path / "run", on_progress=steps.append, should_stop=lambda: bool(steps)))
    monkeypatch.setattr("flaxdigits.training.examples.MOST", 20)
    with pytest.raises(RunError, match="the added pictures would differ from those at the start of the run"):
        list(resume(tmp_path / "run", digits))
    monkeypatch.undo()
    assert len(list(resume(tmp_path / "run", digits))) > 0


def test_digits_without_ink_leave_no_parts_and_an_epoch_as_long(digits):
    blank = Digits(np.zeros((40, 28, 28), np.uint8), np.arange(40, dtype=np.uint8) % 10)
    found = Examples.of(blank, np.zeros(40, bool), TrainConfig(added_pictures=1.0))
    assert found.images(found.rows).shape == (80, 28, 28)
