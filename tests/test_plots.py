import numpy as np
from PIL import Image

from flaxdigits.evaluation import Evaluation
from flaxdigits.training.history import EpochReport
from flaxdigits.training.plots import plot_confusion, plot_curves, plot_mistakes


def evaluation(images, labels, digits):
    probabilities = np.eye(10, dtype=np.float32)[digits]
    return Evaluation(labels, probabilities, images, "data", "model")


def shades(path):
    with Image.open(path) as image:
        return len(np.unique(np.asarray(image.convert("L"))))


def test_every_picture_is_drawn(mnist_test, tmp_path):
    images, labels = mnist_test.images[:60], mnist_test.labels[:60]
    shifted = evaluation(images, labels, (labels + 1) % 10)
    reports = [EpochReport(i, i, 1e-3, 1 / i, 1 - 0.1 / i, 2 / i, 1 - 0.2 / i, 1, 1) for i in (1, 2, 3)]
    plot_curves(reports, tmp_path / "curves.png")
    plot_confusion(shifted, tmp_path / "confusion.png")
    plot_mistakes(shifted, tmp_path / "mistakes.png")
    assert all(shades(tmp_path / f"{name}.png") > 20 for name in ("curves", "confusion", "mistakes"))


def test_a_perfect_model_has_its_pictures_too(mnist_test, tmp_path):
    labels = mnist_test.labels[:20]
    perfect = evaluation(mnist_test.images[:20], labels, labels)
    plot_confusion(perfect, tmp_path / "confusion.png")
    plot_mistakes(perfect, tmp_path / "mistakes.png")
    assert shades(tmp_path / "mistakes.png") > 10


def test_one_epoch_without_validation_can_be_drawn(tmp_path):
    plot_curves([EpochReport(1, 1, 1e-3, 1, 0.5, np.nan, np.nan, 1, 1)], tmp_path / "curves.png")
    assert shades(tmp_path / "curves.png") > 10
