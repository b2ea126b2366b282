import io

import numpy as np
import pytest

from flaxdigits.data import read_csv_bytes
from flaxdigits.errors import DataError
from flaxdigits.kaggle_csv import read_frame

EITHER = "expected 785 columns (a label and 784 pixels) or 784"


def read(table):
    text = "".join(",".join(row) + "\n" for row in table)
    return read_csv_bytes(text.encode(), "train.csv")


def put(row, column, cell):
    def edit(table):
        table[row][column] = cell

    return edit


@pytest.fixture
def table(few, to_table):
    return to_table(few[:3])


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


def test_the_label_may_stand_last_where_the_header_says_so(few, table):
    assert same(read([[*row[1:], row[0]] for row in table]), few[:3])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="windows line ends"),
        pytest.param(lambda text: "\ufeff" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace(",", ", "), id="spaces after commas"),
        pytest.param(lambda text: '"' + text.replace(",", '","', 784).replace("\n", '"\n', 1), id="quoted header"),
        pytest.param(lambda text: text.rstrip("\n"), id="no newline at the end"),
        pytest.param(lambda text: text + "\n\n", id="blank lines at the end"),
        pytest.param(lambda text: text.replace("\n", "\n\n"), id="blank lines between"),
    ],
)
def test_how_programs_write_csv_makes_no_difference(few, to_csv, change):
    assert same(read_csv_bytes(change(to_csv(few[:3])).encode(), "train.csv"), few[:3])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[2].pop(), ", row 2: expected 785 columns, got 784"),
        (lambda t: t[2].append("0"), ", row 2: expected 785 columns, got 786"),
        (put(2, 100, "x"), ", row 2, pixel99: expected a whole number from 0 to 255, got 'x'"),
        (put(2, 100, "-1"), ", row 2, pixel99: expected a whole number from 0 to 255, got '-1'"),
        (put(2, 100, "256"), ", row 2, pixel99: expected a whole number from 0 to 255, got '256'"),
        (put(2, 100, "0.5"), ", row 2, pixel99: expected a whole number from 0 to 255, got '0.5'"),
        (put(2, 100, "1.0"), ", row 2, pixel99: expected a whole number from 0 to 255, got '1.0'"),
        (put(2, 100, "nan"), ", row 2, pixel99: expected a whole number from 0 to 255, got 'nan'"),
        (put(2, 100, ""), ", row 2, pixel99: expected a whole number from 0 to 255, got ''"),
        (put(3, 784, "٣"), ", row 3, pixel783: expected a whole number from 0 to 255, got '٣'"),
        (put(2, 0, "10"), ", row 2: expected a label from 0 to 9, got 10"),
        (put(2, 0, "300"), ", row 2, label: expected a whole number from 0 to 9, got '300'"),
        (put(2, 0, "seven"), ", row 2, label: expected a whole number from 0 to 9, got 'seven'"),
        (lambda t: t.clear(), ": the file is empty, or begins with an empty line"),
        (lambda t: t.__delitem__(slice(1, None)), ": no rows of digits under the header"),
        (put(0, 6, "pixel4"), ", header: expected column pixel5, got 'pixel4'"),
        (lambda t: t[0].insert(0, ""), f", header: {EITHER}, got 786"),
        (lambda t: t.__setitem__(slice(None), [["1", "2", "3"]]), f", row 1: {EITHER}, got 3"),
    ],
)
def test_a_bad_table_is_refused_with_its_row_and_column(table, edit, message):
    edit(table)
    with pytest.raises(DataError) as caught:
        read(table)
    assert str(caught.value) == "train.csv" + message


@pytest.mark.parametrize(
    ("edit", "culprit"),
    [
        pytest.param(put(0, 0, "Label"), "'Label'", id="another name for the label"),
        pytest.param(lambda t: [row.pop(6) for row in t], "pixel5", id="a pixel left out of every row"),
        pytest.param(lambda t: (t.pop(0), t[0].__setitem__(0, "seven")), "'seven'", id="no header, a word for a label"),
    ],
)
def test_a_column_of_another_name_is_named_and_not_miscounted(table, edit, culprit):
    edit(table)
    with pytest.raises(DataError) as caught:
        read(table)
    assert culprit in str(caught.value)
    assert "got 78" not in str(caught.value)  # the number of columns is not what is wrong


def test_what_is_no_text_is_said_to_be_no_csv():
    with pytest.raises(DataError, match=r"^data: not text, so not a CSV file of digits$"):
        read_csv_bytes("label,pixel0\n".encode("utf-16"), "data")


def test_a_data_frame_gives_the_same_digits_as_its_file(few, to_csv):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(to_csv(few)))
    assert same(read_frame(frame), few)
    without = read_frame(frame.drop(columns="label"))
    assert without.labels is None
    assert np.array_equal(without.images, few.images)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda f: f.assign(pixel99=[0, 256, 0]), ", row 2, pixel99: expected a whole number from 0 to 255, got 256"),
        (lambda f: f.assign(pixel99=[0, 0, -1]), ", row 3, pixel99: expected a whole number from 0 to 255, got -1"),
        (lambda f: f.assign(label=[0, 10, 0]), ", row 2: expected a label from 0 to 9, got 10"),
        (lambda f: f.assign(pixel99=[0, 0.5, 0]), ", pixel99: expected whole numbers, got float64"),
        (lambda f: f.drop(columns=["pixel9", "label"]), f", header: {EITHER}, got 783"),
        (lambda f: f.iloc[:0], ": no digits in it"),
    ],
)
def test_a_bad_data_frame_is_refused_with_its_row_and_column(few, to_csv, edit, message):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(to_csv(few[:3])))
    with pytest.raises(DataError) as caught:
        read_frame(edit(frame))
    assert str(caught.value) == "DataFrame" + message
