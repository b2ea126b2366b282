import hashlib

import numpy as np
import pytest

from flaxdigits.data.digits import Digits
from flaxdigits.errors import DataError

BLANK = np.zeros((4, 28, 28), np.uint8)


def test_no_writer_is_in_both_parts_of_a_split(mnist_train):
    training, validation = mnist_train.split(0.1, seed=1)
    assert not set(training.writers) & set(validation.writers)
    assert len(training) + len(validation) == 60_000


def test_a_split_by_writer_meets_its_share_to_within_one_writer(mnist_train):
    largest = np.bincount(mnist_train.writers).max()
    for fraction in (0.01, 0.1, 0.5):
        validation = mnist_train.split(fraction, seed=0)[1]
        assert 0 <= fraction * 60_000 - len(validation) < largest


def test_without_writers_each_label_is_split_by_the_share():
    labels = np.repeat([3, 8], [100, 50])
    training, validation = Digits(np.zeros((150, 28, 28), np.uint8), labels).split(0.2, seed=0)
    assert np.bincount(training.labels)[[3, 8]].tolist() == [80, 40]
    assert np.bincount(validation.labels)[[3, 8]].tolist() == [20, 10]


@pytest.mark.parametrize("with_writers", [True, False])
def test_the_same_seed_gives_the_same_split_and_another_seed_another(mnist_train, with_writers):
    some = mnist_train[:10_000]
    digits = some if with_writers else Digits(some.images, some.labels)
    first, again, other = (digits.split(0.1, seed)[1].images.tobytes() for seed in (5, 5, 6))
    assert first == again != other


def test_every_digit_is_in_exactly_one_part(few):
    numbered = Digits(few.images, np.arange(20) % 2, np.arange(20))
    training, validation = numbered.split(0.3, seed=0)
    assert sorted([*training.writers, *validation.writers]) == list(range(20))


def test_a_share_of_0_gives_no_validation_part(few):
    training, validation = few.split(0, seed=0)
    assert len(training) == 20
    assert validation is None


@pytest.mark.parametrize("writers", [None, np.zeros(4, int)], ids=["too few a label", "one writer"])
def test_a_split_that_would_leave_a_part_empty_suggests_to_train_on_all(writers):
    digits = Digits(BLANK, np.arange(4), writers, "four")
    with pytest.raises(DataError, match="^four: .*0\\.1") as caught:
        digits.split(0.1, seed=0)
    assert "validation = 0 in the configuration" in caught.value.hint


@pytest.mark.parametrize("use", [lambda d: d.split(0.5, seed=0), lambda d: d.known_labels()], ids=["split", "labels"])
def test_digits_without_labels_cannot_be_split_nor_give_labels(use):
    with pytest.raises(DataError, match="^blank: has no labels"):
        use(Digits(BLANK, name="blank"))


@pytest.mark.parametrize(
    ("images", "labels", "writers", "expected", "found"),
    [
        (BLANK / 255, None, None, "uint8", "float64"),
        (BLANK.reshape(4, 784), None, None, r"\[n, 28, 28\]", r"\[4, 784\]"),
        (BLANK[:, :27], None, None, r"\[n, 28, 28\]", r"\[4, 27, 28\]"),
        (BLANK, np.arange(3), None, "4 labels", r"\[3\]"),
        (BLANK, np.arange(4)[:, None], None, "4 labels", r"\[4, 1\]"),
        (BLANK, np.arange(4.0), None, "labels", "float64"),
        (BLANK, np.array([0, 1, 10, 2]), None, "from 0 to 9", "10"),
        (BLANK, np.array([0, -1, 1, 2]), None, "from 0 to 9", "-1"),
        (BLANK, None, np.arange(3), "4 writers", r"\[3\]"),
        (BLANK, None, np.arange(4.0), "writers", "float64"),
        ([1, 2], None, None, "uint8", r"int64 \[2\]"),
        (BLANK, None, [1, 2, 3], "4 writers", r"\[3\]"),
    ],
)
def test_other_arrays_are_rejected_with_what_was_expected_and_found(images, labels, writers, expected, found):
    with pytest.raises(DataError, match=f"^some.*: expected.*{expected}.*, got.*{found}"):
        Digits(images, labels, writers, "some")


def test_a_label_out_of_range_is_named_by_its_row():
    with pytest.raises(DataError, match="^some, row 3: "):
        Digits(BLANK, np.array([0, 1, 10, 2]), name="some")


def test_no_images_are_a_data_error():
    with pytest.raises(DataError, match="^some: "):
        Digits(BLANK[:0], name="some")


def test_labels_become_uint8_and_keep_their_values():
    labels = Digits(BLANK, np.array([9, 0, 3, 7], np.int64)).labels
    assert labels.dtype == np.uint8
    assert labels.tolist() == [9, 0, 3, 7]


def test_indexing_keeps_images_labels_and_writers_together(mnist_train):
    picked = mnist_train[np.array([5, 0, 2])]
    for row, index in enumerate((5, 0, 2)):
        assert np.array_equal(picked.images[row], mnist_train.images[index])
        assert picked.labels[row] == mnist_train.labels[index]
        assert picked.writers[row] == mnist_train.writers[index]


def test_sha256_is_of_the_images_then_the_labels(few):
    assert few.sha256 == hashlib.sha256(few.images.tobytes() + few.labels.tobytes()).hexdigest()
    assert Digits(few.images).sha256 == hashlib.sha256(few.images.tobytes()).hexdigest()


def test_sha256_does_not_depend_on_the_order_in_memory(few):
    assert Digits(np.asfortranarray(few.images), few.labels).sha256 == few.sha256


def test_shared_images_are_counted_pixel_for_pixel(mnist_train, mnist_test):
    assert mnist_test[:10].count_shared(mnist_test[5:20]) == 5
    one_pixel_off = mnist_test.images[:10].copy()
    one_pixel_off[0, 0, 0] = 1
    assert mnist_test[:10].count_shared(Digits(one_pixel_off)) == 9
    assert mnist_train.count_shared(mnist_test) == 0
