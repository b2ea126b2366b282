import json
import math
from statistics import NormalDist

import numpy as np
import pytest

from flaxdigits.data.digits import Digits
from flaxdigits.errors import DataError
from flaxdigits.evaluation import Evaluation, Reliability
from flaxdigits.inference.recognizer import Prediction, Recognizer


def evaluate(labels, probabilities, digits=None):
    labels, probabilities = np.array(labels, np.uint8), np.array(probabilities, np.float32)
    images = np.zeros((len(labels), 28, 28), np.uint8)
    digits = probabilities.argmax(axis=1) if digits is None else np.array(digits)
    return Evaluation(labels, digits, probabilities, images, "four digits", "by hand")


@pytest.fixture
def four():
    """0 classified as 0 at 1/2; 1 and 2 as 7 at 3/4 and 7/8; 3 as 3 at 1."""
    probabilities = np.zeros((4, 10))
    probabilities[0, [0, 5]] = 1 / 2, 1 / 2
    probabilities[1, [1, 7]] = 1 / 4, 3 / 4
    probabilities[2, [2, 7]] = 1 / 8, 7 / 8
    probabilities[3, 3] = 1
    return evaluate([0, 1, 2, 3], probabilities)


def test_accuracy_and_errors_by_hand(four):
    assert four.digits.tolist() == [0, 7, 7, 3]
    assert four.wrong.tolist() == [False, True, True, False]
    assert (four.errors, four.accuracy) == (2, 0.5)


def test_loss_by_hand(four):
    # The true digits have 1/2, 1/4, 1/8 and 1: 1, 2, 3 and 0 times ln 2.
    assert four.loss == pytest.approx(6 / 4 * math.log(2), abs=1e-12)


def test_a_true_digit_of_probability_0_costs_87_nats_and_not_infinity():
    probabilities = np.zeros((1, 10))
    probabilities[0, 1] = 1
    assert evaluate([0], probabilities).loss == pytest.approx(126 * math.log(2))  # float32's smallest normal is 2**-126


def test_reliability_by_hand(four):
    # 1/2, 3/4, 7/8 and 1 of 15 bins are 7.5, 11.25, 13.125 and 15; 1 belongs to the last bin.
    counts, confidences, accuracies = four.reliability
    assert counts.tolist() == [0] * 7 + [1, 0, 0, 0, 1, 0, 1, 1]
    assert confidences[counts > 0].tolist() == [1 / 2, 3 / 4, 7 / 8, 1]
    assert accuracies[counts > 0].tolist() == [1, 0, 0, 1]


def test_a_bin_of_several_rows_has_their_means():
    # 0.75 and 0.78125 of 15 bins are 11.25 and 11.72: one bin, with one of three rows correct.
    probabilities = np.zeros((3, 10))
    probabilities[:, 0] = 0.75, 0.75, 0.78125
    probabilities[:, 1] = 0.25, 0.25, 0.21875
    reliability = evaluate([0, 1, 1], probabilities).reliability
    assert reliability.counts[11] == reliability.counts.sum() == 3
    assert reliability.confidences[11] == pytest.approx(2.28125 / 3, abs=1e-12)
    assert reliability.accuracies[11] == pytest.approx(1 / 3, abs=1e-12)


def test_an_empty_bin_has_neither_confidence_nor_accuracy_nor_interval(four):
    reliability = four.reliability
    empty = reliability.counts == 0
    assert empty.sum() == 11
    for figures in (reliability.confidences, reliability.accuracies, *reliability.intervals):
        assert np.array_equal(np.isnan(figures), empty)


def test_the_interval_of_an_accuracy_is_wilsons():
    # Of n rows all right, from n / (n + z^2) to 1; none right, its mirror image; 5 of 10, the
    # formula gives 1/2 -+ z / (2 sqrt(n + z^2)); z is the normal distribution's 97.5% point.
    z = NormalDist().inv_cdf(0.975)
    counts, accuracies = np.array([1, 4, 10]), np.array([1, 0, 0.5])
    reach = z / (2 * math.sqrt(10 + z**2))
    expected = [[1 / (1 + z**2), 0, 0.5 - reach], [1, z**2 / (4 + z**2), 0.5 + reach]]
    assert Reliability(counts, accuracies, accuracies).intervals == pytest.approx(np.array(expected), abs=1e-6)


def test_calibration_error_by_hand(four):
    # Each row is alone in its bin of 1/15; confidence and outcome are 1/2, 3/4, 7/8 and 0 apart.
    assert four.calibration_error == pytest.approx((1 / 2 + 3 / 4 + 7 / 8) / 4, abs=1e-12)


def test_calibration_error_is_0_if_confidence_equals_accuracy():
    probabilities = np.zeros((4, 10))
    probabilities[:, [0, 1]] = 3 / 4, 1 / 4
    assert evaluate([0, 0, 0, 1], probabilities).calibration_error == 0


def test_calibration_error_equals_its_definition():
    rng = np.random.default_rng(0)
    drawn = rng.dirichlet(np.full(10, 0.3), 500)
    # Underconfident below 1/2 and overconfident above: with one sign, the number of bins makes no difference.
    labels = np.where(drawn.max(axis=1) < 0.5, drawn.argmax(axis=1), rng.integers(0, 10, 500))
    evaluation = evaluate(labels, drawn)
    bins = [[] for _ in range(15)]
    for label, row in zip(evaluation.labels, evaluation.probabilities.astype(float), strict=True):
        bins[min(int(max(row) * 15), 14)].append((max(row), row.argmax() == label))
    gaps = [abs(sum(c for c, _ in held) / len(held) - sum(r for _, r in held) / len(held)) for held in bins if held]
    weights = [len(held) / 500 for held in bins if held]
    expected = sum(weight * gap for weight, gap in zip(weights, gaps, strict=True))
    assert evaluation.calibration_error == pytest.approx(expected, abs=1e-9)
    assert expected > 0.05  # else this compares nothing


def test_confusion_has_true_digits_in_rows_and_predictions_in_columns(four):
    expected = np.zeros((10, 10), int)
    expected[[0, 1, 2, 3], [0, 7, 7, 3]] = 1
    assert np.array_equal(four.confusion, expected)


def test_a_digit_that_does_not_occur_has_no_accuracy(four):
    assert four.accuracy_per_digit[:4].tolist() == [1, 0, 0, 1]
    assert np.isnan(four.accuracy_per_digit[4:]).all()


def test_the_worst_mistake_has_the_least_probability_of_the_true_digit(four):
    assert four.worst(5).tolist() == [2, 1]
    assert four.worst(1).tolist() == [2]


def test_the_summary_is_strict_json_and_counts_its_rows_from_1(four):
    summary = json.loads(json.dumps(four.summary(), allow_nan=False))
    assert (summary["model"], summary["data"], summary["digits"]) == ("by hand", "four digits", 4)
    assert (summary["errors"], summary["accuracy"]) == (2, 0.5)
    assert summary["accuracy_per_digit"] == [1, 0, 0, 1, *[None] * 6]
    assert summary["confusion"][1][7] == 1
    assert summary["mistakes"] == [3, 2]


def test_the_frame_has_a_row_for_each_digit(four):
    pytest.importorskip("pandas")
    frame = four.per_digit_frame()
    assert frame.index.tolist() == list(range(10))
    assert frame["digits"].tolist() == [1, 1, 1, 1, *[0] * 6]
    assert frame["errors"].tolist() == [0, 1, 1, *[0] * 7]
    assert frame["accuracy"][:4].tolist() == [1, 0, 0, 1]


def test_the_short_last_batch_is_counted(tiny_model, mnist_test):
    evaluation = Evaluation.of(Recognizer(tiny_model), mnist_test[:2037])
    assert len(evaluation.labels) == evaluation.confusion.sum() == 2037


def test_a_softmax_regression_classifies_85_percent_of_the_test_digits(tiny_model, mnist_test):
    evaluation = Evaluation.of(Recognizer(tiny_model), mnist_test)
    assert 0.85 < evaluation.accuracy < 0.93
    assert (evaluation.model, evaluation.data) == (str(tiny_model), "mnist-test")


def test_digits_without_labels_cannot_be_evaluated(tiny_model, few):
    with pytest.raises(DataError, match="^unlabelled: has no labels"):
        Evaluation.of(Recognizer(tiny_model), Digits(few.images, name="unlabelled"))


@pytest.mark.parametrize(
    ("probabilities", "digits", "expected"),
    [
        (np.zeros((2, 9)), [0, 1], r"probabilities \[2, 10\], got \[2, 9\]"),
        (np.zeros((2, 10)), [0], r"digits \[2\], got \[1\]"),
        (np.zeros((2, 10)), [0, 10], "digits from 0 to 9, got 0 to 10"),
        (np.zeros((2, 10)), [0.0, 1.0], "integers as digits, got float64"),
    ],
)
def test_predictions_of_another_shape_dtype_or_range_are_a_data_error(probabilities, digits, expected):
    with pytest.raises(DataError, match=f"expected {expected}"):
        evaluate([0, 1], probabilities, digits)


class Tied:
    """A model whose probabilities of 3 and 8 are equal after rounding, and whose digit is 8."""

    name = "tied"

    def __call__(self, images):
        probabilities = np.zeros((len(images), 10), np.float32)
        probabilities[:, [3, 8]] = 0.5
        return Prediction(np.full(len(images), 8), probabilities, np.ones(len(images), np.float32))


def test_the_digits_of_the_model_are_scored_as_predict_prints_them():
    images = np.zeros((2, 28, 28), np.uint8)
    evaluation = Evaluation.of(Tied(), Digits(images, np.array([8, 3])))
    assert evaluation.digits.tolist() == [8, 8]
    assert evaluation.errors == 1
    assert evaluation.confusion[8, 8] == evaluation.confusion[3, 8] == 1
    assert evaluation.confidence.tolist() == [0.5, 0.5]
    assert evaluation.model == "tied"


def test_a_callable_without_a_name_is_called_model(few):
    tied = Tied()
    assert Evaluation.of(lambda images: tied(images), few).model == "model"
