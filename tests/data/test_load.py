import gzip
import hashlib
import io
import re
import zipfile

import numpy as np
import pytest
from fuzzing.seeds import gzip_bomb, zip_bomb
from packed import idx, npz, picture, zipped
from PIL import Image

import flaxdigits
from flaxdigits.data.digits import Digits
from flaxdigits.data.inputs import standard_input
from flaxdigits.data.load import EMBEDDED, MNIST_TRAIN_SHA256, load
from flaxdigits.errors import DataError

# SHA-256 of the four IDX files as Y. LeCun, C. Cortes and C. Burges published them, decompressed.
PUBLISHED = {
    "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def same(found, expected):
    return np.array_equal(found.images, expected.images) and np.array_equal(found.labels, expected.labels)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_embedded_set_is_mnist_byte_for_byte(name):
    with np.load(EMBEDDED) as arrays:
        assert hashlib.sha256(idx(arrays[name])).hexdigest() == PUBLISHED[name]


def test_the_embedded_set_has_60000_digits_of_539_writers_and_10000_for_testing(mnist_train, mnist_test):
    assert (len(mnist_train), len(mnist_test)) == (60_000, 10_000)
    assert len(np.unique(mnist_train.writers)) == 539
    assert mnist_test.writers is None


def test_load_without_a_source_is_the_training_set(mnist_train):
    assert flaxdigits.load().sha256 == mnist_train.sha256 == MNIST_TRAIN_SHA256


FILES = {
    "train.csv": lambda d, text: text.encode(),
    "train.csv.gz": lambda d, text: gzip.compress(text.encode()),
    "packed.csv": lambda d, text: gzip.compress(text.encode()),  # known by its content, not by its name
    "unpacked.csv.gz": lambda d, text: text.encode(),  # a browser decompresses what it fetches, and keeps the name
    "train.zip": lambda d, text: zipped({"train.csv": text}),
    "mac.zip": lambda d, text: zipped(
        {"digits.csv": text, "__MACOSX/._digits.csv": text[:9]}
    ),  # the Finder adds such a file
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


@pytest.mark.parametrize("folder", ["", "digit-recognizer/"], ids=["at the top", "in a folder"])
def test_kaggles_zip_gives_train_csv_or_test_csv(tmp_path, few, to_table, to_csv, folder):
    test = "".join(",".join(cells[1:]) + "\n" for cells in to_table(few[5:]))
    texts = {"sample_submission": "ImageId,Label\n1,0\n", "test": test, "train": to_csv(few[:5])}
    path = tmp_path / "digit-recognizer.zip"
    path.write_bytes(zipped({f"{folder}{name}.csv": text for name, text in texts.items()}))
    assert same(load(path), few[:5])
    assert same(load(path, part="test"), Digits(few.images[5:]))
    assert load(path).name == str(path)  # which a run stores, and loads again when it is resumed


def test_an_error_in_kaggles_zip_names_the_file_in_it(tmp_path):
    path = tmp_path / "digit-recognizer.zip"
    path.write_bytes(zipped({"train.csv": "label,pixel0\n", "test.csv": "pixel0,pixel1\n"}))
    with pytest.raises(DataError, match=rf"^{path}/test\.csv, header: "):
        load(path, part="test")


def test_a_suffix_in_capitals_is_a_csv(tmp_path, few, to_csv):
    path = tmp_path / "digits.zip"
    path.write_bytes(zipped({"DIGITS.CSV": to_csv(few)}))
    assert same(load(path), few)


def test_the_part_has_no_effect_on_other_sources(tmp_path, few, to_csv):
    (tmp_path / "one.zip").write_bytes(zipped({"digits.csv": to_csv(few)}))
    for source in (few, few.images, tmp_path / "one.zip"):
        assert load(source, part="test").images.tobytes() == few.images.tobytes()


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_labels_are_read_from_the_file_beside_the_images(tmp_path, few, compress):
    images = tmp_path / "t10k-images-idx3-ubyte"
    images.write_bytes(compress(idx(few.images)))
    assert load(images).labels is None
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(compress(idx(few.labels)))
    assert same(load(images), few)


def test_a_plain_idx_file_is_memory_mapped(tmp_path, few):
    path = tmp_path / "digits-images-idx3-ubyte"
    path.write_bytes(idx(few.images))
    assert isinstance(load(path).images.base, np.memmap)


def test_a_folder_of_pictures_gives_the_same_digits_class_by_class(tmp_path, few):
    for row, (image, label) in enumerate(zip(few.images, few.labels, strict=True)):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        Image.fromarray(255 - image).save(tmp_path / str(label) / f"{row:02}.PNG")
    for name in ("notes.txt", "README"):
        (tmp_path / "3" / name).write_text("not a picture, so not read")
    assert same(load(tmp_path), few[np.argsort(few.labels, kind="stable")])


@pytest.mark.parametrize(
    ("make", "has_labels"),
    [
        pytest.param(lambda d: d, True, id="Digits"),
        pytest.param(lambda d: d.images, False, id="images"),
        pytest.param(lambda d: d.images.reshape(-1, 784), False, id="rows of pixels"),
        pytest.param(lambda d: (d.images, d.labels), True, id="images and labels"),
        pytest.param(lambda d: (d.images.reshape(-1, 784), d.labels.tolist()), True, id="rows and a list of labels"),
        pytest.param(lambda d: (d.images, None), False, id="images and None"),
    ],
)
def test_digits_in_memory_are_a_source(few, make, has_labels):
    assert same(load(make(few)), few if has_labels else Digits(few.images))


def test_a_data_frame_is_a_source(few, to_frame):
    pytest.importorskip("pandas")
    assert same(load(to_frame(few)), few)


def test_an_npz_keeps_its_writers(tmp_path, mnist_train):
    some = mnist_train[:9]
    path = tmp_path / "some.npz"
    path.write_bytes(npz(images=some.images, labels=some.labels, writers=some.writers))
    assert np.array_equal(load(path).writers, some.writers)


def locked(archive):
    """Sets the bit of encryption in both headers of a .zip with one file."""
    content = bytearray(archive)
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def npy(header):
    """An .npz whose one array has this header and no data."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        text = header.encode().ljust(117) + b"\n"
        archive.writestr("images.npy", b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text)
    return content.getvalue()


IMAGES = np.zeros((3, 28, 28), np.uint8)
LARGEST = 2**32 - 1  # as a size in IDX
BOMB = 2**27  # bytes, of which a thousandth is left when they are packed
TOO_SMALL = "bytes, too many for a file of this size"
HEADER = ",".join(["label", *(f"pixel{i}" for i in range(784))]).encode() + b"\n"
BAD_FILES = {
    "nothing": (b"", "empty"),
    "random bytes": (np.random.default_rng(0).bytes(5000), "not text, so not a CSV"),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "not a CSV of digits: no comma in its first line"),
    "a PNG": (picture(IMAGES[0]), "a data set of pictures is a folder"),
    "a WebP": (picture(IMAGES[0], "WEBP"), "a data set of pictures is a folder"),
    "a PPM": (picture(IMAGES[0], "PPM"), "a data set of pictures is a folder"),
    "gzip cut off": (gzip.compress(b"label,pixel0\n" * 99)[:-20], "truncated or damaged"),
    "zip cut off": (zipped({"train.csv": "label"})[:-9], "truncated or damaged"),
    "zip with a password": (locked(zipped({"train.csv": "label"})), "encrypted|password"),
    "zip of other tables": (zipped({"a.csv": "1", "b.csv": "2"}), r"train\.csv.*a\.csv, b\.csv"),
    "zip of two train.csv": (zipped({"train.csv": "1", "old/train.csv": "2"}), r"train\.csv"),
    "zip of nothing": (zipped({}), "got nothing"),
    "IDX cut off": (idx(IMAGES)[:-1], "2368 bytes.*2367"),
    "IDX cut off in its header": (idx(IMAGES)[:10], "IDX header"),
    "IDX of labels": (idx(np.zeros(30, np.uint8)), "3 dimensions, got 1"),
    "IDX of 255 dimensions": (bytes([0, 0, 8, 255]) + bytes([0, 0, 0, 1] * 255) + b"\0", "3 dimensions, got 255"),
    "IDX of no images": (idx(IMAGES[:0]), "no digits"),
    "IDX of absurd sizes": (bytes([0, 0, 8, 3]) + LARGEST.to_bytes(4, "big") * 3, "bytes"),
    "IDX of sizes that overflow 64 bits": (
        bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in (2**31, 2**31, 4)),
        "bytes",
    ),
    "IDX of floats": (idx(np.zeros((3, 28, 28), ">f4"), kind=0x0D), "unsigned bytes.*0x0d"),
    "npz of other names": (npz(a=IMAGES, b=IMAGES), "images.*a, b"),
    "npz of floats": (npz(x=IMAGES / 2), "uint8.*float64"),
    "npz of objects": (npz(x=np.array([None, 1])), "[Oo]bject"),
    "npz of text": (npz(x=np.array(["0", "1"])), "uint8"),
    "npz of one number": (npz(x=np.uint8(3)), "uint8"),
    "npz of junk": (zipped({"images.npy": "junk"}), ""),
    "npz of an absurd size": (
        npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**40}, 28, 28)}}"),
        "",
    ),
    "npz of a size above 64 bits": (npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**70},)}}"), ""),
    "npz of a negative size": (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 28, 28)}"), ""),
    "npz with a header that is no dict": (npy("((((("), ""),
    "npz with a label of 10": (npz(x=IMAGES, y=np.full(3, 10)), "row 1: .*got 10"),
    "npz with labels of another length": (npz(x=IMAGES, y=np.arange(2)), "3 labels"),
    "npz with labels of text": (npz(x=IMAGES, y=np.array(["1"] * 3)), "labels"),
    "npz with writers of another length": (npz(images=IMAGES, writers=np.arange(2)), "3 writers"),
    "npz with writers that are floats": (npz(images=IMAGES, writers=np.zeros(3)), "writers"),
    "npz with writers that are spans of time": (npz(images=IMAGES, writers=np.zeros(3, "m8[s]")), "writers"),
    "npz as Python 2 wrote it": (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1L, 28, 28)}"), ""),
    "gzip of many zeros": (gzip_bomb(BOMB), TOO_SMALL),
    "gzip of many rows": (gzip_bomb(BOMB, repeated=b"0," * 783 + b"0\n"), TOO_SMALL),
    "gzip of a large IDX": (gzip_bomb(BOMB, idx(IMAGES)[:16]), TOO_SMALL),
    "gzip of a large zip": (gzip_bomb(BOMB, zipped({"train.csv": "label"})), TOO_SMALL),
    "gzip of a long line": (gzip_bomb(BOMB, repeated=b"0,"), TOO_SMALL),
    "zip of a large table": (zip_bomb("train.csv", BOMB), TOO_SMALL),
    "zip of a large picture": (zip_bomb("0/a.png", BOMB), TOO_SMALL),
    "npz of a large array": (zip_bomb("images.npy", BOMB), TOO_SMALL),
    "one long line": (b"0," * 2**16, "its first line has more than 65,536 bytes"),
    "a long line among others": (HEADER + b"0," * 2**19, "a line has more than 65,536 bytes"),
    "a long cell": (HEADER + b"9" * 5000 + b",0" * 784, "row 1, label: .*99 [.]{3} 99"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_a_data_error_of_one_line_that_names_it(tmp_path, kind):
    path = tmp_path / "data"
    content, reason = BAD_FILES[kind]
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{path}[^\n]*({reason})[^\n]*$"):
        load(path)


def error_of(path):
    try:
        load(path)
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["zip", "npz", "compressed npz", "gzip", "IDX"])
def test_a_file_with_a_damaged_byte_loads_or_is_a_data_error_of_one_line(tmp_path, few, to_csv, kind):
    packed = io.BytesIO()
    np.savez_compressed(packed, images=few.images[:3], labels=few.labels[:3])
    whole = {
        "zip": zipped({"train.csv": to_csv(few[:3])}),
        "npz": npz(images=few.images[:1], labels=few.labels[:1]),
        "compressed npz": packed.getvalue(),
        "gzip": gzip.compress(to_csv(few[:3]).encode()),
        "IDX": idx(few.images[:3]),
    }[kind]
    rng = np.random.default_rng(0)
    for place in [*range(150), *range(len(whole) - 150, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= rng.integers(1, 256)
        (tmp_path / "data").write_bytes(damaged)
        message = error_of(tmp_path / "data")
        assert message is None or re.fullmatch(rf"{tmp_path / 'data'}[:, ].*", message)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        pytest.param(lambda labels: idx(labels[:-1]), ": expected 20", id="a label short"),
        pytest.param(lambda labels: idx(labels)[:-3], ": expected 28", id="cut off"),
        pytest.param(lambda labels: idx(labels + 10), ", row 1: ", id="labels above 9"),
    ],
)
def test_bad_labels_beside_the_images_are_named(tmp_path, few, content, place):
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(few.images)))
    (tmp_path / "labels.gz").write_bytes(gzip.compress(content(few.labels)))
    with pytest.raises(DataError, match=rf"^{tmp_path / 'labels.gz'}{place}"):
        load(tmp_path / "images.gz")


def test_a_bad_picture_in_a_folder_is_named(tmp_path):
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "text.png").write_text("four")
    with pytest.raises(DataError, match=rf"^{tmp_path / '4' / 'text.png'}: "):
        load(tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("nope.csv", id="missing file"),
        pytest.param(".", id="folder without pictures"),
        pytest.param("x" * 300, id="name too long for a file"),
        pytest.param(None, id="None"),
        pytest.param([1, 2], id="list"),
        pytest.param((IMAGES, IMAGES[0, 0], "three"), id="tuple of three"),
        pytest.param(IMAGES / 255, id="floats"),
        pytest.param(IMAGES[0], id="one image"),
        pytest.param((IMAGES, [1, 2]), id="labels of another length"),
        pytest.param((IMAGES, ["1", "2", "3"]), id="labels of text"),
    ],
)
def test_anything_else_is_a_data_error(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        load(source)


@pytest.mark.parametrize("name", ["/dev/zero", "standard input"])
def test_what_never_ends_is_refused(name, monkeypatch):
    monkeypatch.setattr("flaxdigits.data.source.read_all.__defaults__", (2**22,))
    with open("/dev/zero", "rb") as zeros:  # noqa: PTH123
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(zeros))
        with pytest.raises(DataError, match=f"^{name}: more than 4,194,304 bytes"):
            standard_input() if name == "standard input" else load(name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_give_the_same_digits_across_blocks(tmp_path, mnist_train, to_csv, end):
    some = mnist_train[:400]  # some 700 kB: three blocks, whose limits fall into lines and line ends
    (tmp_path / "train.csv").write_bytes(to_csv(some).replace("\n", end).encode())
    assert load(tmp_path / "train.csv").sha256 == some.sha256


def test_no_name_in_a_zip_leads_out_of_it(tmp_path, few):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "seven.png").write_bytes(picture(few.images[0]))
    before = sorted(tmp_path.rglob("*"))
    names = ["../0/a.png", f"{tmp_path}/0/b.png", "x/../../../0/c.png"]
    path = tmp_path / "digits.zip"
    path.write_bytes(zipped({name: picture(few.images[1]) for name in names}))
    assert load(path).labels.tolist() == [0, 0, 0]
    link = zipfile.ZipInfo("1/link.png")
    link.external_attr = 0o120777 << 16  # a symbolic link, whose content is where it leads
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, f"{tmp_path}/0/seven.png")
    with pytest.raises(DataError, match=rf"^{path}/1/link.png: not a picture that can be read$"):
        load(path)
    path.unlink()
    assert sorted(tmp_path.rglob("*")) == before
