import gzip
import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

import flaxdigits
from flaxdigits.data import EMBEDDED, load
from flaxdigits.errors import DataError


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def zipped(*names, text="label"):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, text)
    return content.getvalue()


def locked(archive):
    """Sets the bit of encryption in both headers of a .zip with one file."""
    content = bytearray(archive)
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def same(found, expected):
    return np.array_equal(found.images, expected.images) and np.array_equal(found.labels, expected.labels)


# Of the four IDX files as Y. LeCun, C. Cortes and C. Burges published them, unpacked.
PUBLISHED = {
    "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_embedded_set_is_mnist_byte_for_byte(name):
    with np.load(EMBEDDED) as arrays:
        assert hashlib.sha256(idx(arrays[name])).hexdigest() == PUBLISHED[name]


def test_the_embedded_set_has_60000_digits_of_539_writers_and_10000_more(mnist_train, mnist_test):
    assert (len(mnist_train), len(mnist_test)) == (60_000, 10_000)
    assert len(np.unique(mnist_train.writers)) == 539
    assert mnist_test.writers is None


def test_load_without_a_source_is_the_training_set(mnist_train):
    assert flaxdigits.load().sha256 == mnist_train.sha256


FILES = {
    "train.csv": lambda d, text: text.encode(),
    "train.csv.gz": lambda d, text: gzip.compress(text.encode()),
    "packed.csv": lambda d, text: gzip.compress(text.encode()),  # known by its content, not by its name
    "unpacked.csv.gz": lambda d, text: text.encode(),  # a browser unpacks what it fetches, and keeps the name
    "train.zip": lambda d, text: zipped("train.csv", text=text),
    "mac.zip": lambda d, text: zipped("train.csv", "__MACOSX/._train.csv", text=text),  # the Finder adds such a shadow
    "ours.npz": lambda d, text: npz(images=d.images, labels=d.labels),
    "keras.npz": lambda d, text: npz(x_train=d.images, y_train=d.labels, x_test=d.images[:1], y_test=d.labels[:1]),
    "flat.npz": lambda d, text: npz(x=d.images.reshape(-1, 784), y=d.labels.astype(np.int64)),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_gives_the_same_digits(tmp_path, few, to_csv, name):
    path = tmp_path / name
    path.write_bytes(FILES[name](few, to_csv(few)))
    assert same(load(path), few)
    assert same(load(str(path)), few)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_images_find_their_labels_beside_them(tmp_path, few, pack):
    images = tmp_path / "t10k-images-idx3-ubyte"
    images.write_bytes(pack(idx(few.images)))
    assert load(images).labels is None
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(pack(idx(few.labels)))
    assert same(load(images), few)


def test_a_folder_of_pictures_gives_the_same_digits_class_by_class(tmp_path, few):
    for row, (image, label) in enumerate(zip(few.images, few.labels, strict=True)):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        Image.fromarray(255 - image).save(tmp_path / str(label) / f"{row:02}.PNG")
    (tmp_path / "3" / "notes.txt").write_text("not a picture, so not read")
    assert same(load(tmp_path), few[np.argsort(few.labels, kind="stable")])


def test_a_data_frame_gives_the_same_digits(few, to_csv):
    pandas = pytest.importorskip("pandas")
    assert same(load(pandas.read_csv(io.StringIO(to_csv(few)))), few)


def test_an_npz_keeps_its_writers(tmp_path, mnist_train):
    some = mnist_train[:9]
    path = tmp_path / "some.npz"
    path.write_bytes(npz(images=some.images, labels=some.labels, writers=some.writers))
    assert np.array_equal(load(path).writers, some.writers)


IMAGES = np.zeros((3, 28, 28), np.uint8)
DAMAGED = ": the compressed data is cut off or damaged; fetch it again"
NO_TEXT = ": not text, so not a CSV file of digits"
PICTURE = ": a single picture; `flaxdigits predict` reads those, a data set is a folder"
BAD_FILES = {
    "nothing": (b"", ": the file is empty, or begins with an empty line"),
    "random bytes": (np.random.default_rng(0).bytes(5000), NO_TEXT),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", NO_TEXT),
    "a PNG": (b"\x89PNG\r\n\x1a\n", PICTURE),
    "a JPEG": (b"\xff\xd8\xff\xe0", PICTURE),
    "gzip cut off": (gzip.compress(b"label,pixel0\n" * 99)[:-20], DAMAGED),
    "zip cut off": (zipped("train.csv")[:-9], DAMAGED),
    "zip of two tables": (
        zipped("train.csv", "test.csv"),
        ": expected one .csv file in it, got train.csv, test.csv; unpack it and name the one to read",
    ),
    "IDX cut off": (idx(IMAGES)[:-1], ": expected 2368 bytes for IDX data of shape [3, 28, 28], got 2367"),
    "IDX of labels": (idx(IMAGES[0, 0]), ": expected an IDX file of images (3 dimensions), got 1"),
    "IDX of no images": (idx(IMAGES[:0]), ": no digits in it"),
    "npz of other names": (npz(a=IMAGES, b=IMAGES), ": expected an array called images, x_train or x, got a, b"),
    "npz of floats": (npz(x=IMAGES / 2), ": expected images as uint8 [n, 28, 28], got float64 [3, 28, 28]"),
    "npz with a label of 10": (npz(x=IMAGES, y=np.full(3, 10)), ", row 1: expected a label from 0 to 9, got 10"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_with_what_was_expected(tmp_path, kind):
    path = tmp_path / "data"
    content, message = BAD_FILES[kind]
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(locked(zipped("train.csv")), "encrypted|password", id="zip with a password"),
        pytest.param(idx(IMAGES)[:10], "IDX", id="IDX cut off in its header"),
        pytest.param(zipped("images.npy"), "image|array|npy", id="npz of junk"),
    ],
)
def test_a_file_damaged_in_an_odd_way_is_refused_in_one_line(tmp_path, content, reason):
    path = tmp_path / "data"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{path}\b[^\n]*({reason})[^\n]*$"):
        load(path)


def test_a_bad_folder_or_name_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no pictures found; expected sub-folders 0 to 9 with pictures in them"
    with pytest.raises(
        DataError, match=r"^nope\.csv: no such file or folder; embedded are mnist-train and mnist-test$"
    ):
        load("nope.csv")


def test_a_bad_picture_in_a_folder_is_named(tmp_path):
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "text.png").write_text("four")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path / '4' / 'text.png'}: not a picture that can be read"


def test_damaged_labels_are_named_and_not_the_images_beside_them(tmp_path, few):
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(few.images)))
    (tmp_path / "labels.gz").write_bytes(gzip.compress(idx(few.labels))[:-9])
    with pytest.raises(DataError) as caught:
        load(tmp_path / "images.gz")
    assert str(caught.value) == f"{tmp_path / 'labels.gz'}{DAMAGED}"


@pytest.mark.parametrize("source", [IMAGES, "x" * 300], ids=["array", "name too long for a file"])
def test_what_is_no_source_is_a_data_error(source):
    with pytest.raises(DataError):
        load(source)
