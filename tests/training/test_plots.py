import numpy as np
import pytest
from PIL import Image

from flaxdigits.evaluation import Evaluation
from flaxdigits.training.history import EpochReport
from flaxdigits.training.plots import plot_confusion, plot_curves, plot_mistakes, plot_reliability


def evaluation(images, labels, digits):
    probabilities = np.eye(10, dtype=np.float32)[digits]
    return Evaluation(labels, digits, probabilities, images, "data", "model")


def shades(path):
    with Image.open(path) as image:
        return len(np.unique(np.asarray(image.convert("L"))))


def test_every_picture_is_drawn(mnist_test, tmp_path):
    images, labels = mnist_test.images[:60], mnist_test.labels[:60]
    shifted = evaluation(images, labels, (labels + 1) % 10)
    reports = [EpochReport(i, i, 1e-3, 1 / i, 1 - 0.1 / i, 2 / i, 1 - 0.2 / i, 1, 0.5, 1, 1) for i in (1, 2, 3)]
    plot_curves(reports, tmp_path / "curves.png")
    plot_confusion(shifted, tmp_path / "confusion.png")
    plot_mistakes(shifted, tmp_path / "mistakes.png")
    plot_reliability(shifted, tmp_path / "reliability.png")
    assert all(shades(tmp_path / f"{name}.png") > 20 for name in ("curves", "confusion", "mistakes", "reliability"))


def test_a_perfect_model_has_its_pictures_too(mnist_test, tmp_path):
    labels = mnist_test.labels[:20]
    perfect = evaluation(mnist_test.images[:20], labels, labels)
    plot_confusion(perfect, tmp_path / "confusion.png")
    plot_mistakes(perfect, tmp_path / "mistakes.png")
    plot_reliability(perfect, tmp_path / "reliability.png")
    assert shades(tmp_path / "mistakes.png") > 10
    assert shades(tmp_path / "reliability.png") > 10


def test_one_epoch_without_validation_can_be_drawn(tmp_path):
    plot_curves([EpochReport(1, 1, 1e-3, 1, 0.5, np.nan, np.nan, np.nan, np.nan, 1, 1)], tmp_path / "curves.png")
    assert shades(tmp_path / "curves.png") > 10


def test_the_reliability_picture_shows_every_bin_and_the_interval_of_each(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("flaxdigits.training.plots._save", lambda figure, path: figures.append(figure))
    probabilities = np.zeros((4, 10), np.float32)
    probabilities[:, :2] = [[0.5, 0.5], [0.75, 0.25], [0.75, 0.25], [1, 0]]
    evaluated = Evaluation(
        np.array([0, 0, 1, 0]),
        probabilities.argmax(axis=1),
        probabilities,
        np.zeros((4, 28, 28), np.uint8),
        "data",
        "model",
    )
    plot_reliability(evaluated, tmp_path / "reliability.png")
    accuracy, count = figures[0].axes
    points = np.column_stack(accuracy.lines[1].get_data())
    assert points[~np.isnan(points).any(axis=1)].tolist() == [[0.5, 1], [0.75, 0.5], [1, 1]]
    drawn = [segment for segment in accuracy.collections[0].get_segments() if len(segment)]
    # Wilson's for 1 of 1, 1 of 2 and 1 of 1, with z^2 = 3.8415: 1 / (1 + z^2), 1/2 -+ z / (2 sqrt(2 + z^2)).
    assert np.array(drawn) == pytest.approx(
        np.array([[[0.5, 0.2065], [0.5, 1]], [[0.75, 0.0945], [0.75, 0.9055]], [[1, 0.2065], [1, 1]]]), abs=1e-4
    )
    assert [bar.get_height() for bar in count.patches] == [0] * 7 + [1, 0, 0, 0, 2, 0, 0, 1]
    assert (count.get_yscale(), count.get_xlim(), accuracy.get_xlim()) == ("log", (0, 1), (0, 1))
    # Gaps of 1/2, twice 1/4 and 0 over 4 digits; 3 of confidence over 4, 3 of 4 right.
    assert accuracy.get_title() == (
        "Expected calibration error 0.2500 over 4 digits\nmean confidence 75.00%, accuracy 75.00%\n"
        "largest bin: 2 digits, confidence 75.0%, accuracy 50.0%"
    )


def test_the_reliability_picture_is_a_png_of_its_full_size(tmp_path):
    labels = np.arange(10, dtype=np.uint8)
    plot_reliability(evaluation(np.zeros((10, 28, 28), np.uint8), labels, labels), tmp_path / "reliability.png")
    with Image.open(tmp_path / "reliability.png") as image:
        assert (image.format, image.size) == ("PNG", (864, 912))


@pytest.mark.parametrize("losses", [[0.5, 0.4], [0.02, 0.013], [2.3, 0.02], [0.1], [0.7, 0.0]])
def test_the_learning_curves_have_at_least_two_readable_ticks(losses, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("flaxdigits.training.plots._save", lambda figure, path: figures.append(figure))
    reports = [
        EpochReport(i, i, 1e-3, loss, 1 - loss / 10, loss, 1 - loss / 10, 1, 0.5, 1, 1) for i, loss in enumerate(losses)
    ]
    plot_curves(reports, tmp_path / "curves.png")
    for axes in figures[0].axes:
        figures[0].canvas.draw()
        low, high = axes.get_ylim()
        labels = [
            tick.get_text()
            for tick, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
            if low <= y <= high
        ]
        assert len([label for label in labels if label]) >= 2
