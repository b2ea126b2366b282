import io
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from drawn import distance, encode, noisy, on_sheet, paper, rotated, upscaled, with_alpha
from fuzzing import seeds
from PIL import Image

from flaxdigits.errors import DataError
from flaxdigits.pictures.reading import is_picture, picture_files, read_picture, to_grey

Image.init()
AVIF = pytest.param("AVIF", marks=pytest.mark.skipif("AVIF" not in Image.SAVE, reason="this Pillow is without AVIF"))

EXACT = {  # but for rounding
    "light on dark": lambda image: encode(upscaled(image)),
    "dark on light": lambda image: encode(paper(image)),
    "colour": lambda image: encode(np.stack([paper(image)] * 3, axis=-1)),
    "palette": lambda image: encode(Image.fromarray(paper(image)).convert("P")),
    "GIF": lambda image: encode(paper(image), "GIF"),
    "BMP": lambda image: encode(paper(image), "BMP"),
    "lossless WebP": lambda image: encode(paper(image), "WEBP", lossless=True),
    "16 bits": lambda image: encode(paper(image).astype(np.uint16) * 257),
    "floats from 0 to 255": lambda image: encode(paper(image).astype(np.float32), "TIFF"),
    "black strokes, transparent": lambda image: encode(with_alpha(upscaled(image), 0)),
    "white strokes, transparent": lambda image: encode(with_alpha(upscaled(image), 255)),
    "opaque alpha": lambda image: encode(Image.fromarray(paper(image)).convert("LA")),
    "rotated by EXIF": rotated,
    "in a corner of a sheet": lambda image: encode(on_sheet(image, 600, 10)),
}
NEAR = {
    "JPEG": lambda image: encode(paper(image), "JPEG", quality=75),
    "JPEG of 28x28": lambda image: encode(255 - image, "JPEG", quality=75),
    "grey paper with noise": lambda image: encode(noisy(on_sheet(image, 60, 60, shade=220)[:400, :400], 3)),
}


@pytest.mark.parametrize("kind", [*EXACT, *NEAR])
def test_a_large_picture_of_a_digit_becomes_the_digit(few, kind):
    make, limit = (EXACT[kind], 1) if kind in EXACT else (NEAR[kind], 3)
    assert max(distance(read_picture(make(image), kind), image) for image in few.images) < limit


def test_a_file_is_read_as_its_bytes_are(tmp_path, few):
    path = tmp_path / "four.PNG"
    path.write_bytes(encode(paper(few.images[4])))
    assert np.array_equal(read_picture(path), read_picture(path.read_bytes()))
    with path.open("rb") as file:
        assert np.array_equal(read_picture(file), read_picture(path))


def test_another_object_is_refused_with_its_type():
    with pytest.raises(DataError, match="expected a path, bytes, .* got int"):
        read_picture(3)


def test_transparency_is_white_under_dark_strokes_and_black_under_light_ones():
    strokes = np.zeros((4, 4), np.uint8)
    strokes[1:3, 1:3] = 255
    for shade, ground in ((0, 255), (255, 0)):
        grey = to_grey(Image.fromarray(with_alpha(strokes, shade)))
        assert grey[0, 0] == ground
        assert grey[1, 1] == shade


def test_a_file_that_is_not_a_picture_is_a_data_error_that_names_it(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("not a picture")
    for file, reason in ((path, "not a picture"), (tmp_path / "no.png", "No such file")):
        with pytest.raises(DataError, match=f"^{file}: {reason}"):
            read_picture(file)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_truncated_picture_is_a_data_error_of_one_line(few, form):
    content = encode(paper(few.images[0]), form)
    for length in (6, 30, len(content) // 2):
        with pytest.raises(DataError, match=r"^cut: [^\n]+$"):
            read_picture(content[:length], "cut")


def test_bytes_without_a_name_are_called_a_picture():
    with pytest.raises(DataError, match="^picture: not a picture"):
        read_picture(b"junk")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_picture_of_floats_that_are_not_finite_is_a_data_error(few, value):
    pixels = paper(few.images[0]).astype(np.float32)
    pixels[0, 0] = value
    with pytest.raises(DataError, match="^scan: expected finite pixels"):
        read_picture(encode(pixels, "TIFF"), "scan")


@pytest.mark.parametrize("kind", EXACT)
def test_a_pillow_image_is_read_as_its_file_is(few, tmp_path, kind):
    path = tmp_path / "picture"
    path.write_bytes(EXACT[kind](few.images[3]))
    with Image.open(path) as image:
        assert np.array_equal(read_picture(image), read_picture(path))
        image.load()  # still open


ARRAYS = {
    "grey": lambda grey: grey,
    "grey floats": lambda grey: grey.astype(np.float64),
    "grey integers": lambda grey: grey.astype(np.int64),
    "RGB": lambda grey: np.stack([grey] * 3, axis=-1),
    "RGB floats": lambda grey: np.stack([grey] * 3, axis=-1).astype(np.float32),
    "RGBA": lambda grey: np.dstack([grey, grey, grey, np.full_like(grey, 255)]),
    "strokes with opacity": lambda grey: with_alpha(255 - grey, 0),
    "not contiguous": lambda grey: np.asfortranarray(grey),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_is_read_as_a_file_of_its_pixels_is(few, kind):
    for image in few.images[:5]:
        assert np.array_equal(read_picture(ARRAYS[kind](paper(image))), read_picture(encode(paper(image))))


def test_a_colour_array_has_the_grey_of_its_file(few):
    colour = np.stack([paper(few.images[0]) // share for share in (1, 2, 3)], axis=-1)
    assert np.array_equal(read_picture(colour), read_picture(encode(colour)))


@pytest.mark.parametrize(
    ("array", "found"),
    [
        pytest.param(np.zeros(784), r"\[784\]", id="flat"),
        pytest.param(np.zeros((28, 28, 2)), r"\[28, 28, 2\]", id="two channels"),
        pytest.param(np.zeros((3, 28, 28)), r"\[3, 28, 28\]", id="channels first"),
        pytest.param(np.zeros((0, 28)), r"\[0, 28\]", id="empty"),
        pytest.param(np.zeros((28, 28), bool), "bool", id="bool"),
        pytest.param(np.zeros((28, 28), complex), "complex128", id="complex"),
        pytest.param(np.full((28, 28), -1.0), "-1", id="negative"),
        pytest.param(np.full((28, 28), 256), "256", id="above 255"),
        pytest.param(np.full((28, 28), np.nan), "nan", id="NaN"),
    ],
)
def test_an_array_of_other_shape_type_or_range_is_a_data_error(array, found):
    with pytest.raises(DataError, match=f"^four: expected .*, got .*{found}"):
        read_picture(array, "four")


def test_floats_from_0_to_1_are_a_data_error_that_suggests_to_scale_them(few):
    with pytest.raises(DataError) as caught:
        read_picture(paper(few.images[0]) / 255)
    assert "255" in caught.value.hint


def test_a_folder_lists_pictures_by_usual_suffix_or_content(tmp_path, few):
    damaged = ["a.png", "b.JFIF", "c.TIF", "d.webp"]  # listed, so that they are reported
    pictures = ["e.tga", "f.2026", "scan"]
    for name in [*damaged, "README", "digits.npz", "notes.txt", "report.pdf"]:
        (tmp_path / name).write_text("not a picture")
    for name in [*pictures, ".hidden.png"]:
        (tmp_path / name).write_bytes(encode(paper(few.images[0])))
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in picture_files(tmp_path)] == [*damaged, *pictures]
    assert picture_files(tmp_path / "missing") == []


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", AVIF])
def test_a_damaged_picture_gives_an_image_or_a_data_error_of_one_line(few, form):
    rng = np.random.default_rng(0)
    whole = np.frombuffer(encode(paper(few.images[0]), form), np.uint8)
    refused = []
    for _ in range(40):
        damaged = whole.copy()
        damaged[rng.integers(min(len(whole), 400), size=3)] = rng.integers(256, size=3)
        try:
            assert read_picture(damaged.tobytes()).shape == (28, 28)
        except DataError as error:
            refused.append(error.message)
    assert refused
    assert all(message.startswith("picture: ") and "\n" not in message for message in refused)


READ_ONE = """
import sys
from contextlib import suppress
from flaxdigits.data.inputs import read_input
assert read_input(sys.argv[1]).name == sys.argv[1]
loaded = {"load", "kaggle_csv", "idx", "archive", "digits"} & {name.rpartition(".")[2] for name in sys.modules
    if name.startswith("flaxdigits.data.")}
assert not loaded, loaded
"""


def test_reading_one_picture_imports_no_reader_of_data_sets(tmp_path, few):
    (tmp_path / "four.png").write_bytes(encode(paper(few.images[4])))
    subprocess.run([sys.executable, "-c", READ_ONE, str(tmp_path / "four.png")], check=True)


def heic(image):
    import pillow_heif

    content = io.BytesIO()
    big = Image.fromarray(paper(image)).convert("RGB")
    pillow_heif.from_pillow(big).save(content, quality=90)
    return content.getvalue()


def test_a_photograph_in_heic_is_read_where_pillow_heif_is_installed(few):
    assert distance(read_picture(heic(few.images[0])), few.images[0]) < 3


def test_without_pillow_heif_heic_is_a_data_error_that_says_what_to_install(few, monkeypatch):
    content = heic(few.images[0])
    monkeypatch.setattr("flaxdigits.pictures.reading.find_spec", lambda name: None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name not in ("HEIF", "AVIF")])
    with pytest.raises(DataError, match="^photo.HEIC: not a picture that can be read; .* pip install pillow-heif"):
        read_picture(content, "photo.HEIC")


def test_a_program_is_not_run_to_be_read(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # Pillow looks for it once
    path = tmp_path / "seven.png"  # known by its content, not by its name
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n0 0 50 50 rectfill\nshowpage\n"
    )
    with suppress(OSError), Image.open(path) as image:
        image.load()
    assert (tmp_path / "was-run").exists()  # so what follows can fail
    (tmp_path / "was-run").unlink()
    with pytest.raises(DataError, match="seven.png: not a picture that can be read$"):
        read_picture(path)
    assert not (tmp_path / "was-run").exists()
    assert not is_picture(path)


@pytest.mark.parametrize(("width", "height"), [(13_400, 13_400), (2**31 - 1, 2**31 - 1), (1, 200_000_000)])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(width, height):
    with pytest.raises(DataError, match="^picture: more than 178,956,970 pixels; scale it down first$"):
        read_picture(seeds.png(width, height, content=b""))
