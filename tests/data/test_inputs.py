import gzip
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from packed import idx, npz, picture, zipped

from flaxdigits.bulk import Options, read_file
from flaxdigits.data.inputs import Named, PictureFile, expand, read_input
from flaxdigits.errors import DataError
from flaxdigits.inference.recognizer import Recognizer


@pytest.fixture
def pictures(tmp_path, few):
    """A folder with b.png, a.JPG, a PNG without suffix, a text file, a hidden file and an empty folder."""
    for name, row, form in (("b.png", 0, "PNG"), ("a.JPG", 1, "JPEG"), ("scan", 2, "PNG")):
        (tmp_path / name).write_bytes(picture(few.images[row], form))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".DS_Store").write_text("not a picture")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.fixture(params=["file", "standard input"])
def read(request, tmp_path, monkeypatch):
    """Reads content from a file or from standard input; returns what was read and the name of its source."""

    def from_file(content, name):
        (tmp_path / name).write_bytes(content)
        return read_input(str(tmp_path / name)), str(tmp_path / name)

    def from_standard_input(content, name):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return read_input("-"), "standard input"

    return from_file if request.param == "file" else from_standard_input


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("photo.jfif", "JPEG"),
        ("scan.ppm", "PPM"),
        ("png-without-suffix", "PNG"),
        ("wrong-suffix.csv", "PNG"),
        ("drawing.gif", "GIF"),
        ("drawing.bmp", "BMP"),
        ("scan.tif", "TIFF"),
        ("photo.webp", "WEBP"),
        ("icon.tga", "TGA"),
    ],
)
def test_a_picture_is_known_by_its_content(read, few, name, form):
    content = picture(few.images[0], form)
    found, source = read(content, name)
    assert found == PictureFile(source, content)


def test_a_netpbm_picture_in_ascii_is_not_a_csv(read, few):
    pixels = " ".join(map(str, few.images[0].ravel()))
    found, _ = read(f"P2\n# plain, grey\n28 28\n255\n{pixels}\n".encode(), "digit.pgm")
    assert isinstance(found, PictureFile)


def test_a_webp_picture_whose_size_reads_as_a_comma_is_not_a_csv(read, mnist_test):
    # The fifth byte of a WebP file is the lowest of its size: "RIFF," is also the first cell of a CSV.
    contents = (picture(image, "WEBP") for image in mnist_test.images[:2000])
    found, _ = read(next(content for content in contents if content[4:5] == b","), "digit.webp")
    assert isinstance(found, PictureFile)


FORMS = {
    "csv": lambda d, text: text.encode(),
    "csv with a byte order mark": lambda d, text: b"\xef\xbb\xbf" + text.encode(),
    "csv without a header": lambda d, text: text.split("\n", 1)[1].encode(),
    "csv in gzip": lambda d, text: gzip.compress(text.encode()),
    "csv in zip": lambda d, text: zipped({"test.csv": text}),
    "npz": lambda d, text: npz(images=d.images),
    "IDX": lambda d, text: idx(d.images),
    "IDX in gzip": lambda d, text: gzip.compress(idx(d.images)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_one_digit_for_each_row_named_from_1(read, few, to_csv, form):
    found, source = read(FORMS[form](few, to_csv(few)), "digits")
    assert isinstance(found, Named), found
    assert found.names == [f"{source}:{row}" for row in range(1, 21)]
    assert np.array_equal(found.images, few.images)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\0\0\0", "not a picture", id="zero bytes"),
        pytest.param(b"not a picture", "not a picture", id="text"),
        pytest.param(b"<!DOCTYPE html>\n<title>Not found, sorry</title>", "not a picture", id="a web page"),
        pytest.param(b"1,2\n", "row 1: expected 785 columns", id="a CSV of other data"),
        pytest.param(gzip.compress(b"label,pixel0\n" * 99)[:-20], "truncated", id="gzip cut off"),
    ],
)
def test_other_content_is_one_data_error(content, reason, tmp_path, tiny_model):
    source = tmp_path / "photo.png"
    source.write_bytes(content)
    found = read_file(str(source), Recognizer(tiny_model), Options())
    assert isinstance(found, DataError)
    assert str(found).startswith(str(source))
    assert reason in str(found)


def test_a_folder_is_its_pictures_by_name(pictures):
    assert expand(str(pictures)) == [str(pictures / name) for name in ("a.JPG", "b.png", "scan")]


@pytest.mark.parametrize("name", ["missing.png", "x" * 300])
def test_what_is_not_a_folder_is_returned_as_it_is(name, pictures):
    assert expand(str(pictures / name)) == [str(pictures / name)]


def test_a_folder_without_pictures_is_a_data_error(pictures):
    with pytest.raises(DataError, match="empty: no pictures in this folder"):
        expand(str(pictures / "empty"))


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system has no /dev/fd")
@pytest.mark.parametrize("form", ["picture", "table"])
def test_a_pipe_with_a_name_is_read_once(few, to_csv, form):
    # As in `flaxdigits predict <(curl ...)`; a pipe of 64 KB holds all of it before it is read.
    reading, writing = os.pipe()
    os.write(writing, picture(few.images[0]) if form == "picture" else to_csv(few[:3]).encode())
    os.close(writing)
    found = read_input(f"/dev/fd/{reading}")
    os.close(reading)
    assert isinstance(found, PictureFile if form == "picture" else Named)
