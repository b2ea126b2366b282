import io
import json

import numpy as np
import pytest
from PIL import Image

from flaxdigits import shipped
from flaxdigits.errors import DataError
from flaxdigits.pictures import read_picture, to_grey, to_mnist
from flaxdigits.recognizer import Recognizer

NOISE = np.random.default_rng(0)


def encode(pixels, form="PNG", **options):
    content = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(content, form, **options)
    return content.getvalue()


def upscaled(image):
    return np.kron(image, np.ones((10, 10), np.uint8))


def paper(image):
    return 255 - upscaled(image)


def on_sheet(image, row, column, shade=255):
    sheet = np.full((900, 700), shade, np.uint8)
    sheet[row : row + 280, column : column + 280] = np.minimum(paper(image), shade)
    return sheet


def noisy(pixels, spread):
    return np.clip(pixels + NOISE.normal(0, spread, pixels.shape), 0, 255).astype(np.uint8)


def with_alpha(strokes, shade):
    return np.stack([np.full_like(strokes, shade)] * 3 + [strokes], axis=-1)


def turned(image):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to see it upright
    upright = Image.fromarray(paper(image))
    return encode(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


def cropped(image):
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def distance(found, expected):
    """Mean difference of a pixel where one fits best on the other, moved by at most one pixel.

    A shift by one comes of rounding the centre of mass, which MNIST's own digits show as well.
    """
    moved = [np.roll(found, (rows, columns), (0, 1)) for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
    return min(np.abs(image.astype(int) - expected).mean() for image in moved)


def test_mnist_digits_come_back_unchanged_and_so_do_their_negatives(mnist_test):
    for image in mnist_test.images[:1000]:
        assert np.array_equal(to_mnist(image), image)
        assert np.array_equal(to_mnist(255 - image), image)


EXACT = {  # lost: nothing but rounding
    "light on dark": lambda image: encode(upscaled(image)),
    "dark on light": lambda image: encode(paper(image)),
    "colour": lambda image: encode(np.stack([paper(image)] * 3, axis=-1)),
    "palette": lambda image: encode(Image.fromarray(paper(image)).convert("P")),
    "GIF": lambda image: encode(paper(image), "GIF"),
    "BMP": lambda image: encode(paper(image), "BMP"),
    "WebP without loss": lambda image: encode(paper(image), "WEBP", lossless=True),
    "16 bits": lambda image: encode(paper(image).astype(np.uint16) * 257),
    "floats from 0 to 255": lambda image: encode(paper(image).astype(np.float32), "TIFF"),
    "black strokes on nothing": lambda image: encode(with_alpha(upscaled(image), 0)),
    "white strokes on nothing": lambda image: encode(with_alpha(upscaled(image), 255)),
    "opaque alpha": lambda image: encode(Image.fromarray(paper(image)).convert("LA")),
    "turned by EXIF": turned,
    "in a corner of a sheet": lambda image: encode(on_sheet(image, 600, 10)),
}
NEAR = {
    "JPEG": lambda image: encode(paper(image), "JPEG", quality=75),
    "JPEG of 28x28": lambda image: encode(255 - image, "JPEG", quality=75),
    "grey paper with noise": lambda image: encode(noisy(on_sheet(image, 60, 60, shade=220)[:400, :400], 3)),
}


@pytest.mark.parametrize("kind", [*EXACT, *NEAR])
def test_a_big_picture_of_a_digit_lands_on_the_digit(few, kind):
    make, limit = (EXACT[kind], 1) if kind in EXACT else (NEAR[kind], 3)
    assert max(distance(read_picture(make(image), kind), image) for image in few.images) < limit


def test_a_picture_cropped_to_its_digit_lands_on_the_digit(mnist_test):
    # Half of the edge is ink then, so that a few shades of paper are taken wrongly.
    missed = 0
    for image in mnist_test.images[:50]:
        try:
            missed += distance(to_mnist(paper(cropped(image))), image) > 3
        except DataError:
            missed += 1
    assert missed <= 2


def test_a_digit_off_centre_in_28x28_is_centred(few):
    for image in few.images:
        if not image[:2].any() and not image[:, -2:].any():
            assert distance(to_mnist(np.roll(image, (-2, 2), (0, 1))), image) < 1


def test_a_file_is_read_as_its_bytes_are(tmp_path, few):
    path = tmp_path / "four.PNG"
    path.write_bytes(encode(paper(few.images[4])))
    assert np.array_equal(read_picture(path), read_picture(path.read_bytes()))


def test_what_is_transparent_is_white_under_dark_strokes_and_black_under_light_ones():
    strokes = np.zeros((4, 4), np.uint8)
    strokes[1:3, 1:3] = 255
    for shade, ground in ((0, 255), (255, 0)):
        grey = to_grey(Image.fromarray(with_alpha(strokes, shade)))
        assert grey[0, 0] == ground
        assert grey[1, 1] == shade


EMPTY = {
    "white": np.full((50, 40), 255, np.uint8),
    "black": np.zeros((50, 40), np.uint8),
    "one pixel": np.zeros((1, 1), np.uint8),
    "fully transparent": np.zeros((30, 30, 4), np.uint8),
    "faint": np.where(np.arange(50 * 40).reshape(50, 40) == 1020, 232, 255).astype(np.uint8),
    "noise": NOISE.normal(128, 3, (100, 100)).astype(np.uint8),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_picture_is_a_data_error(kind):
    with pytest.raises(DataError, match=f"^{kind}: no digit stands out from the paper$"):
        read_picture(encode(EMPTY[kind]), kind)


def test_what_is_no_picture_is_a_data_error_that_names_the_file(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("not a picture")
    for file, reason in ((path, "not a picture that can be read"), (tmp_path / "no.png", "No such file or directory")):
        with pytest.raises(DataError) as caught:
            read_picture(file)
        assert str(caught.value) == f"{file}: {reason}"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_picture_cut_off_is_a_data_error_in_one_line(few, form):
    content = encode(paper(few.images[0]), form)
    for length in (6, 30, len(content) // 2):
        with pytest.raises(DataError, match=r"^cut: [^\n]+$"):
            read_picture(content[:length], "cut")


def test_bytes_without_a_name_are_called_a_picture():
    with pytest.raises(DataError, match=r"^picture: not a picture that can be read$"):
        read_picture(b"junk")


def light(kind, size=360):
    """How much light falls on each pixel of a sheet."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    return {
        "a lamp on one side": 1 + 0.6 * x,
        "the shadow of a hand": 1 - 0.4 / (1 + np.exp(-12 * (x + y))),
        "dark corners": 1 - 0.8 * (x**2 + y**2),
        "ruled lines": np.where(np.arange(size)[:, None] % 40 < 2, 0.75, 1 + 0 * x),
        "squared paper under a lamp": np.where((np.mgrid[:size, :size] % 40 < 2).any(axis=0), 0.75, 1) * (1 + 0.4 * y),
    }[kind]


def photograph(image, kind):
    ink = np.zeros((360, 360))
    ink[60:284, 80:304] = np.kron(image, np.ones((8, 8))) / 255
    return noisy(200 * light(kind) * (1 - 0.7 * ink), 5)


PHOTOGRAPHS = (
    "a lamp on one side",
    "the shadow of a hand",
    "dark corners",
    "ruled lines",
    "squared paper under a lamp",
)


@pytest.mark.parametrize("kind", PHOTOGRAPHS)
def test_photographs_of_digits_are_read_but_for_one_of_20(few, kind):
    found = [to_mnist(photograph(image, kind), kind) for image in few.images]
    assert (Recognizer()(np.stack(found)).digits != few.labels).sum() <= 1


@pytest.mark.parametrize("kind", ["a lamp on one side", "dark corners"])
def test_a_photograph_of_an_empty_sheet_is_a_data_error(kind):
    with pytest.raises(DataError, match="no digit stands out from the paper"):
        to_mnist(photograph(np.zeros((28, 28)), kind))


def test_the_golden_pictures_are_prepared_as_their_vectors_say():
    golden = json.loads((shipped.GOLDEN / "pictures.json").read_text())
    expected = np.fromfile(shipped.GOLDEN / golden["pixels"], np.uint8).reshape(golden["shape"])
    for file, pixels in zip(golden["pictures"], expected, strict=True):
        assert np.array_equal(read_picture(shipped.GOLDEN / file), pixels), file
    for file in golden["blank"]:
        with pytest.raises(DataError, match="no digit stands out from the paper"):
            read_picture(shipped.GOLDEN / file)
