import io
import sys

import numpy as np
import pytest
from PIL import Image

from flaxdigits.errors import DataError
from flaxdigits.inputs import Named, read_inputs


def encode(image, form="PNG"):
    content = io.BytesIO()
    Image.fromarray(np.kron(255 - image, np.ones((4, 4), np.uint8))).save(content, form)
    return content.getvalue()


@pytest.fixture
def pictures(tmp_path, few):
    """A folder with b.png and a.JPG, a text, and an empty folder in it."""
    (tmp_path / "b.png").write_bytes(encode(few.images[0]))
    (tmp_path / "a.JPG").write_bytes(encode(few.images[1], "JPEG"))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.fixture
def pipe(monkeypatch):
    def put(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        (answer,) = read_inputs(["-"])
        return answer

    return put


def test_a_picture_is_one_digit_named_by_its_path(pictures):
    (found,) = read_inputs([str(pictures / "b.png")])
    assert found.names == [str(pictures / "b.png")]
    assert found.images.shape == (1, 28, 28)


def test_a_folder_is_its_pictures_by_name(pictures):
    found = list(read_inputs([str(pictures)]))
    assert [item.names for item in found] == [[str(pictures / "a.JPG")], [str(pictures / "b.png")]]


def test_a_table_is_a_digit_a_row_named_from_1(tmp_path, few, to_csv):
    path = tmp_path / "train.csv"
    path.write_text(to_csv(few))
    (found,) = read_inputs([str(path)])
    assert found.names == [f"{path}:{row}" for row in range(1, 21)]
    assert np.array_equal(found.images, few.images)


def test_sources_come_in_the_order_given(pictures, few):
    np.savez(pictures / "two.npz", images=few.images[:2])
    sources = [str(pictures / name) for name in ("two.npz", "b.png", "a.JPG")]
    assert [len(item.names) for item in read_inputs(sources)] == [2, 1, 1]


def test_one_bad_source_among_many_stops_nothing(pictures):
    (pictures / "bad.png").write_text("not a picture")
    sources = [str(pictures / name) for name in ("bad.png", "missing.png", "missing.csv", "empty", "b.png")]
    *errors, last = read_inputs(sources)
    assert [str(error) for error in errors] == [
        f"{sources[0]}: not a picture that can be read",
        f"{sources[1]}: No such file or directory",
        f"{sources[2]}: no such file or folder; embedded are mnist-train and mnist-test",
        f"{sources[3]}: no pictures in this folder; expected .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp",
    ]
    assert all(isinstance(error, DataError) for error in errors)
    assert isinstance(last, Named)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_picture_comes_through_a_pipe(pipe, few, form):
    found = pipe(encode(few.images[0], form))
    assert found.names == ["standard input"]
    assert found.images.shape == (1, 28, 28)


def test_a_webp_picture_whose_size_reads_as_a_letter_is_no_table(pipe, mnist_test):
    # The fifth byte of a WebP file is the lowest of its size: "RIFFa" is a word, and no header of a CSV.
    contents = (encode(image, "WEBP") for image in mnist_test.images[:200])
    assert isinstance(pipe(next(content for content in contents if content[4:5].isalpha())), Named)


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_a_table_comes_through_a_pipe(pipe, few, to_csv, header, start):
    text = to_csv(few) if header else to_csv(few).split("\n", 1)[1]
    found = pipe((start + text).encode())
    assert isinstance(found, Named), found
    assert found.names == [f"standard input:{row}" for row in range(1, 21)]
    assert np.array_equal(found.images, few.images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "standard input: nothing came in"),
        (b"\0\0\0", "standard input: not a picture that can be read"),
        (b"1,2\n", "standard input, row 1: expected 785 columns (a label and 784 pixels) or 784, got 2"),
    ],
)
def test_a_pipe_of_nothing_useful_is_a_data_error(pipe, content, message):
    found = pipe(content)
    assert isinstance(found, DataError)
    assert str(found) == message
