import gzip
import io

import numpy as np
import pytest

from flaxdigits.data.kaggle_csv import BLOCK, read_frame
from flaxdigits.data.load import load, read_source
from flaxdigits.data.source import Source
from flaxdigits.errors import DataError


def read_text(text):
    return read_source(Source(text.encode(), "train.csv"))


def read(table):
    return read_text("".join(",".join(row) + "\n" for row in table))


def put(row, column, cell):
    def edit(table):
        table[row][column] = cell

    return edit


@pytest.fixture
def table(few, to_table):
    return to_table(few[:3])


@pytest.fixture
def frame(few, to_frame):
    pytest.importorskip("pandas")
    return to_frame(few[:3])


def same(found, expected):
    return np.array_equal(found.images, expected.images) and np.array_equal(found.labels, expected.labels)


def test_pixels_run_along_rows_from_the_top_left(table):
    table[1][1 + 0 * 28 + 5] = "11"  # the label, then five pixels of the first row
    table[1][1 + 3 * 28 + 0] = "22"
    image = read(table).images[0]
    assert (image[0, 5], image[3, 0]) == (11, 22)


def test_the_header_is_optional(few, table):
    assert same(read(table[1:]), few[:3])


@pytest.mark.parametrize("header", [True, False])
def test_the_label_is_optional(few, table, header):
    found = read([row[1:] for row in table[0 if header else 1 :]])
    assert found.labels is None
    assert np.array_equal(found.images, few.images[:3])


def test_the_label_may_be_the_last_column_if_the_header_says_so(few, table):
    assert same(read([[*row[1:], row[0]] for row in table]), few[:3])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF line ends"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="CR line ends"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace(",", ", "), id="spaces after commas"),
        pytest.param(lambda text: '"' + text.replace(",", '","', 784).replace("\n", '"\n', 1), id="quoted header"),
        pytest.param(lambda text: text.rstrip("\n"), id="no newline at the end"),
        pytest.param(lambda text: text + "\n\n", id="blank lines at the end"),
        pytest.param(lambda text: text.replace("\n", "\n\n"), id="blank lines between"),
    ],
)
def test_the_dialect_of_the_csv_makes_no_difference(few, to_csv, change):
    assert same(read_text(change(to_csv(few[:3]))), few[:3])


@pytest.mark.parametrize(
    ("edit", "place", "found"),
    [
        (lambda t: t[2].pop(), "row 2", "784"),
        (lambda t: t[2].append("0"), "row 2", "786"),
        (put(2, 100, "x"), "row 2, pixel99", "'x'"),
        (put(2, 100, "-1"), "row 2, pixel99", "'-1'"),
        (put(2, 100, "256"), "row 2, pixel99", "'256'"),
        (put(2, 100, "0.5"), "row 2, pixel99", "'0.5'"),
        (put(2, 100, "1.0"), "row 2, pixel99", "'1.0'"),
        (put(2, 100, "nan"), "row 2, pixel99", "'nan'"),
        (put(2, 100, ""), "row 2, pixel99", "''"),
        (put(3, 784, "٣"), "row 3, pixel783", "'٣'"),
        (put(2, 0, "10"), "row 2, label", "10"),
        (put(2, 0, "300"), "row 2, label", "'300'"),
        (put(2, 0, "seven"), "row 2, label", "'seven'"),
        (put(0, 6, "pixel4"), "header", "'pixel4'"),
        (put(0, 0, "Label"), "header", "'Label'"),
        (lambda t: [row.pop(6) for row in t], "header", "pixel6"),
        (lambda t: (t.pop(0), t[0].__setitem__(0, "seven")), "header", "'seven'"),
        (lambda t: t.__setitem__(slice(None), [["1", "2", "3"]]), "row 1", "3"),
    ],
)
def test_the_first_bad_cell_is_named_by_row_and_column(table, edit, place, found):
    edit(table)
    with pytest.raises(DataError, match=rf"^train\.csv, {place}: expected .*({found})"):
        read(table)


@pytest.mark.parametrize("content", ["", "\n", "label\n7\n", "label;pixel0\n7;0\n", ",".join("ab") + "\n"])
def test_text_without_digits_is_a_data_error(content):
    with pytest.raises(DataError, match=r"^train\.csv"):
        read_text(content)


def test_a_header_alone_is_a_data_error(table):
    with pytest.raises(DataError, match="no rows"):
        read(table[:1])


def test_text_in_utf_16_is_a_data_error():
    with pytest.raises(DataError, match="^train.csv: not text"):
        read_source(Source("label,pixel0\n".encode("utf-16"), "train.csv"))


@pytest.mark.parametrize(
    ("header", "has_label"), [("", True), ("", False), ("Unnamed: 0", True), ("Unnamed: 0", False), (None, True)]
)
def test_a_column_for_the_index_suggests_to_write_the_file_without_it(table, header, has_label):
    rows = [[str(row - 1), *cells[0 if has_label else 1 :]] for row, cells in enumerate(table)]
    rows[0][0] = header
    with pytest.raises(DataError) as caught:
        read(rows if header is not None else rows[1:])
    assert "index=False" in caught.value.hint


def test_pandas_own_default_of_to_csv_suggests_index_false(tmp_path, frame, few):
    import pandas as pd

    path = tmp_path / "train.csv"
    frame.to_csv(path)
    for source in (path, pd.read_csv(path)):
        with pytest.raises(DataError) as caught:
            load(source)
        assert "index=False" in caught.value.hint
    frame.to_csv(path, index=False)
    assert same(load(path), few[:3])
    with pytest.raises(DataError) as caught:
        load(frame.copy().reset_index())
    assert "index=False" in caught.value.hint


def test_a_data_frame_gives_the_same_digits_as_its_file(few, frame, to_csv):
    import pandas as pd

    assert same(read_frame(pd.read_csv(io.StringIO(to_csv(few)))), few)
    without = read_frame(frame.drop(columns="label"))
    assert without.labels is None
    assert np.array_equal(without.images, few.images[:3])


@pytest.mark.parametrize(
    ("edit", "place", "found"),
    [
        (lambda f: f.assign(pixel99=[0, 256, 0]), ", row 2, pixel99", "256"),
        (lambda f: f.assign(pixel99=[0, 0, -1]), ", row 3, pixel99", "-1"),
        (lambda f: f.assign(label=[0, 10, 0]), ", row 2, label", "10"),
        (lambda f: f.assign(pixel99=[0, 0.5, 0]), ", pixel99", "float64"),
        (lambda f: f.assign(pixel99="0"), ", pixel99", "str|object"),
        (lambda f: f.drop(columns=["pixel9", "label"]), ", header", "783"),
        (lambda f: f.iloc[:0], "", ""),
    ],
)
def test_the_first_bad_cell_of_a_data_frame_is_named_by_row_and_column(frame, edit, place, found):
    with pytest.raises(DataError, match=rf"^DataFrame{place}: .*({found})"):
        read_frame(edit(frame))


def rows_of(digits):
    return np.column_stack([digits.labels, digits.images.reshape(len(digits), -1)])


@pytest.mark.parametrize("seed", range(3))
def test_a_file_of_many_blocks_gives_what_numpy_reads(seed, tmp_path):
    random = np.random.default_rng(seed)
    table = random.choice([0, 7, 10, 99, 100, 199, 255], (600, 785)).astype(np.uint8)
    table[:, 0] %= 10
    path = tmp_path / "train.csv"
    np.savetxt(path, table, fmt="%d", delimiter=",")
    assert path.stat().st_size > 3 * BLOCK
    np.testing.assert_array_equal(rows_of(load(path)), np.loadtxt(path, np.uint8, delimiter=","))


@pytest.mark.parametrize("row", [1, 300, 600])
@pytest.mark.parametrize("edit", [",", "\n", "x", "2560", " 1"], ids=repr)
def test_a_changed_cell_in_any_block_is_found_or_read(row, edit, tmp_path):
    lines = [",".join(["7"] * 785)] * 600
    lines[row - 1] = ",".join(["7"] * 400 + [edit] + ["7"] * 384)
    path = tmp_path / "train.csv"
    path.write_text("\n".join(lines))
    if edit == " 1":
        assert rows_of(load(path))[row - 1, 400] == 1
    else:
        with pytest.raises(DataError, match=rf"train.csv, row {row}[:,]"):
            load(path)


def test_a_cell_that_moved_to_the_row_before_is_found():
    rows = [",".join(["7"] * count) for count in (785, 786, 784)]
    with pytest.raises(DataError, match="row 2: expected 785 columns, got 786"):
        read_text("\n".join(rows))


def test_damage_of_the_compression_is_named_before_what_it_made_of_the_text(tmp_path, few, to_csv):
    # Stored, not compressed, so that a changed byte is one of the text.
    content = bytearray(gzip.compress(to_csv(few).encode() * 40, 0))
    content[len(content) // 2] ^= 64
    (tmp_path / "train.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match="the compressed data is truncated or damaged"):
        load(tmp_path / "train.csv.gz")
