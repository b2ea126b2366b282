import zipfile

import numpy as np
import pytest
from PIL import Image

import flaxdigits
from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.labelling import NONE, save_labelled
from flaxdigits.pages import Reading, read_digits


def reading(digit, pixels, refused=False):
    return Reading(1, 1, digit, 0.9, 0.9, refused, (0, 0, 28, 28), pixels)


def test_digits_are_sorted_by_what_they_were_read_as_and_loaded_with_these_labels(few, tmp_path):
    found = [reading(int(label), image) for image, label in zip(few.images, few.labels, strict=True)]
    assert save_labelled("pages/form.jpg", found, tmp_path) == 20
    digits = flaxdigits.load(str(tmp_path))
    assert np.array_equal(np.sort(few.labels), digits.labels)
    for image, label in zip(few.images, few.labels, strict=True):
        theirs = digits.images[digits.labels == label].astype(int)
        assert np.abs(theirs - image).mean(axis=(1, 2)).min() < 10


def test_what_is_saved_is_what_the_model_was_given(mnist_test, tmp_path):
    picture = 255 - np.asarray(Image.fromarray(mnist_test.images[0]).resize((200, 200)))
    recognizer = Recognizer()
    (found,) = read_digits(picture, recognizer)
    save_labelled("seven.png", [found], tmp_path)
    (file,) = tmp_path.glob("*/*.png")
    assert file.parent.name == "7"
    small = np.asarray(Image.open(file).convert("L"))[::4, ::4]
    assert np.array_equal(255 - small, found.pixels)


def test_refused_ones_are_kept_apart_and_not_loaded(few, tmp_path):
    save_labelled("page.png", [reading(3, few.images[0], refused=True), reading(4, few.images[1])], tmp_path)
    assert len(list((tmp_path / NONE).iterdir())) == 1
    assert flaxdigits.load(str(tmp_path)).labels.tolist() == [4]


def test_a_digit_that_was_moved_is_not_written_again(few, tmp_path):
    found = [reading(3, few.images[0]), reading(3, few.images[1])]
    assert save_labelled("page.png", found, tmp_path) == 2
    (first, _) = sorted((tmp_path / "3").iterdir())
    (tmp_path / "7").mkdir()
    first.rename(tmp_path / "7" / first.name)
    assert save_labelled("page.png", found, tmp_path) == 0
    assert len(list(tmp_path.glob("*/*.png"))) == 2


def test_another_digit_before_it_does_not_make_a_digit_another_one(few, tmp_path):
    found = [reading(3, image) for image in few.images[:3]]
    assert save_labelled("page.png", found, tmp_path) == 3
    assert save_labelled("page.png", [reading(5, few.images[9]), *found], tmp_path) == 1


def test_pictures_of_one_name_in_two_folders_are_both_kept(few, tmp_path):
    assert save_labelled("a/1.png", [reading(3, few.images[0])], tmp_path) == 1
    assert save_labelled("b/1.png", [reading(3, few.images[1])], tmp_path) == 1


@pytest.mark.parametrize("name", ["digits.csv:17", "standard input"])
def test_rows_of_tables_and_standard_input_have_names_too(name, few, tmp_path):
    save_labelled(name, [reading(3, few.images[0])], tmp_path)
    (file,) = (tmp_path / "3").iterdir()
    assert file.name.startswith(name.replace(":", "-"))


@pytest.mark.parametrize("inside", ["", "my-digits/"])
def test_a_zip_of_the_folders_is_loaded_as_they_are(few, tmp_path, inside):
    found = [reading(int(label), image) for image, label in zip(few.images, few.labels, strict=True)]
    save_labelled("form.jpg", found, tmp_path / "my-digits")
    with zipfile.ZipFile(tmp_path / "my-digits.zip", "w") as archive:
        for file in sorted((tmp_path / "my-digits").rglob("*.png")):
            archive.write(file, inside + str(file.relative_to(tmp_path / "my-digits")))
        archive.writestr("__MACOSX/3/._a.png", b"no picture")
        archive.writestr(f"{inside}3/notes.txt", b"no picture")
    folder, packed = (flaxdigits.load(str(tmp_path / name)) for name in ("my-digits", "my-digits.zip"))
    assert np.array_equal(folder.images, packed.images)
    assert np.array_equal(folder.labels, packed.labels)


def test_a_broken_picture_in_a_zip_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "my-digits.zip", "w") as archive:
        archive.writestr("3/a.png", b"no picture")
    with pytest.raises(DataError, match=r"my-digits\.zip/3/a\.png: not a picture"):
        flaxdigits.load(str(tmp_path / "my-digits.zip"))
