"""Properties of every reader: what was written is read back, and any bytes give the right arrays or one line."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from data.packed import idx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from flaxdigits.data.load import load
from flaxdigits.pictures.normalization import keeps_convention
from flaxdigits.pictures.reading import read_picture
from flaxdigits.training.config import Augmentation, TrainConfig
from fuzzing import seeds, worker

# The same examples in every run; the folder of a test serves all of its examples.
quick = settings(
    max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
images = st.binary(min_size=784, max_size=784).map(lambda pixels: np.frombuffer(pixels, np.uint8).reshape(28, 28))
stacks = st.lists(st.tuples(images, st.integers(0, 9)), min_size=1, max_size=4).map(
    lambda pairs: (np.stack([image for image, _ in pairs]), np.array([label for _, label in pairs]))
)


def assert_read(path, content, pixels, labels):
    """Asserts what is read from a file, and from the same file in gzip."""
    for written in (content, gzip.compress(content, 1)):
        path.write_bytes(written)
        found = load(path)
        assert np.array_equal(found.images, pixels)
        assert found.labels is None if labels is None else np.array_equal(found.labels, labels)


@quick
@given(
    stacks,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", ", ", " ,"]),
    st.booleans(),
    st.sampled_from(["", "\ufeff"]),
)
def test_a_csv_is_read_as_it_was_written(tmp_path, stack, labelled, header, end, comma, ends, mark):
    pixels, labels = stack
    rows = [list(map(str, row)) for row in pixels.reshape(-1, 784)]
    names = [f"pixel{i}" for i in range(784)]
    if labelled:
        rows, names = [[str(label), *row] for label, row in zip(labels, rows, strict=True)], ["label", *names]
    lines = [comma.join(cells) for cells in ([names, *rows] if header else rows)]
    text = mark + end.join(lines) + end * ends
    assert_read(tmp_path / "digits", text.encode(), pixels, labels if labelled else None)


@quick
@given(stacks)
def test_idx_is_read_as_it_was_written(tmp_path, stack):
    assert_read(tmp_path / "digits", idx(stack[0]), stack[0], None)


@quick
@given(
    stacks,
    st.sampled_from([np.savez, np.savez_compressed]),
    st.sampled_from(["u1", "<u2", ">i4", "<i8", ">u8"]),
    st.booleans(),
    st.sampled_from([("images", "labels"), ("x_train", "y_train"), ("x", "y")]),
    st.booleans(),
)
def test_npz_is_read_as_it_was_written(tmp_path, stack, save, kind, flat, names, fortran):
    pixels, labels = stack
    array = pixels.astype(kind).reshape((-1, 784) if flat else (-1, 28, 28))
    content = io.BytesIO()
    save(
        content, **dict(zip(names, (np.asfortranarray(array) if fortran else array, labels.astype(kind)), strict=True))
    )
    assert_read(tmp_path / "digits", content.getvalue(), pixels, labels)


PIXEL_FORMATS = ["PNG", "BMP", "TIFF", "PPM", "GIF", "TGA", "PCX", "SGI", "WEBP"]


def encoded(image, form):
    content = io.BytesIO()
    Image.fromarray(image).save(content, form, **({"lossless": True} if form == "WEBP" else {}))
    return content.getvalue()


@quick
@given(
    st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(PIXEL_FORMATS)), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_pictures_are_read_as_they_were_written_alone_and_in_a_zip(tmp_path, mnist_test, chosen, dark, method):
    written = [
        (row, encoded(255 - mnist_test.images[row] if dark else mnist_test.images[row], form)) for row, form in chosen
    ]
    alone = [read_picture(content) for _, content in written]
    with zipfile.ZipFile(tmp_path / "digits", "w", method) as archive:
        for place, (row, content) in enumerate(written):
            archive.writestr(f"digits/{mnist_test.labels[row]}/{place}.png", content)
    found = load(tmp_path / "digits")
    assert found.labels.tolist() == [mnist_test.labels[row] for row, _ in chosen]
    assert np.array_equal(found.images, alone)
    for image, (row, _) in zip(alone, written, strict=True):
        if keeps_convention(mnist_test.images[row].astype(np.float32)):  # the others are re-centred
            assert np.array_equal(image, mnist_test.images[row])


configurations = st.builds(
    TrainConfig,
    data=st.text(max_size=9),
    hidden=st.lists(st.integers(1, 5000), min_size=1, max_size=4).map(tuple),
    epochs=st.integers(1, 2**63 - 1),
    learning_rate=st.floats(5e-324, 1e300),
    label_smoothing=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
    optimizer=st.sampled_from(["adam", "adamw"]),
    augmentation=st.builds(Augmentation, rotation=st.floats(0, 180), shift=st.floats(0, 28)),
)


@quick
@given(configurations)
def test_a_configuration_is_read_as_it_was_written(tmp_path, config):
    config.save(tmp_path / "config.toml")
    assert TrainConfig.from_toml(tmp_path / "config.toml") == config


BEGINNINGS = {
    "csv": [b"label,pixel0", b"0,", b"\xef\xbb\xbf1,"],
    "idx": [bytes([0, 0, 8, 3]), bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28])],
    "npz": [b"PK\x03\x04", b"PK\x05\x06", seeds.arrays()[0][:200]],
    "zip": [b"PK\x03\x04", seeds.archives()[0][:60]],
    "gzip": [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", gzip.compress(b"0,1")[:-4]],
    "picture": [
        b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"P5 9 9 255\n", b"RIFF....WEBP",
        b"%!PS",
    ],
    "toml": [b"a=", b"[augmentation]\n", b"hidden=["],
    "onnx": [b"\x08\x08", b"\x08\x08\x42\x02\x10\x11\x3a", seeds.honest_models()[0][:300]],
    "inspect": [b"\x08\x08", b"\x08\x08\x42\x02\x10\x11\x3a", seeds.honest_models()[0][:300]],
}  # fmt: skip


@pytest.mark.parametrize("reader", BEGINNINGS)
def test_any_bytes_are_read_rightly_or_refused_in_one_line(reader, tmp_path):
    @quick
    @given(st.sampled_from([b"", *BEGINNINGS[reader]]), st.binary(max_size=200))
    def check(begin, rest):
        path = tmp_path / "input"
        path.write_bytes(begin + rest)
        found = worker.outcome(reader, path)
        assert found["outcome"] in ("read", "refused"), found

    check()


@quick
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
    )
)
def test_any_value_in_golden_vectors_is_read_rightly_or_refused_in_one_line(tmp_path, value):
    import json

    (files,) = seeds.golden()
    whole = json.loads(files["golden.json"])
    for changed in (
        value,
        whole | {"cases": value},
        whole | {"tolerance": value},
        whole | {"pixels": value},
        whole | {"cases": [whole["cases"][0] | {"digit": value}] * 4},
        whole | {"cases": [whole["cases"][0] | {"probabilities": value}] * 4},
    ):
        (tmp_path / "golden.json").write_text(json.dumps(changed))
        (tmp_path / "pixels.bin").write_bytes(files["pixels.bin"])
        found = worker.outcome("golden", tmp_path)
        assert found["outcome"] in ("read", "refused"), found
