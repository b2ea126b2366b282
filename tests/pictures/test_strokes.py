from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from flaxdigits.pictures.layout import find_lines
from flaxdigits.pictures.sheet import find_sheets
from flaxdigits.pictures.strokes import find_contrast, find_strokes, may_be_light


def sheet(*texts, shade=230, ink=60, size=(600, 400)):
    """Digits in Pillow's font, each at its place: (text, x, y)."""
    image = Image.new("L", size, shade)
    for text, x, y in texts:
        ImageDraw.Draw(image).text((x, y), text, fill=ink, font_size=60, anchor="lt")
    return np.asarray(image, np.float32)


def boxes(grey):
    """The boxes of each line's components; what is wide may be cut, and the cuts are not counted."""
    lines = find_lines(find_strokes(grey))
    return [[piece.box for piece in line.pieces if not piece.follows_cut] for line in lines]


PAGE = sheet(("3 8 2", 40, 50), ("9", 300, 50), ("4 1", 60, 200))


def test_contrast_is_the_share_of_the_papers_shade():
    contrast = find_contrast(PAGE)
    assert contrast[PAGE > 220].max() < 0.1
    assert contrast[PAGE < 61].min() > 0.6


@pytest.mark.parametrize("light_ink", [False, True])
def test_the_strokes_of_light_ink_are_those_of_its_negative(light_ink):
    page = 255 - PAGE if light_ink else PAGE
    assert may_be_light(page) == [light_ink]
    assert np.array_equal(find_strokes(page, light_ink).labels, find_strokes(PAGE).labels)


def test_where_strokes_are_as_wide_as_gaps_either_polarity_may_be_right():
    stripes = np.tile(np.where(np.arange(300) % 60 < 30, 40, 220), (300, 1)).astype(np.float32)
    assert sorted(may_be_light(stripes + np.random.default_rng(0).normal(0, 5, stripes.shape))) in (
        [False, True],
        [False],
    )


def test_the_lines_of_a_page_come_from_the_top_and_their_pieces_from_the_left():
    lines = boxes(PAGE)
    assert [len(line) for line in lines] == [4, 2]
    assert all(left[0] < right[0] for line in lines for left, right in pairwise(line))


def test_a_slanted_line_is_one_line():
    rising = sheet(*((str(digit), 30 + 60 * digit, 250 - 12 * digit) for digit in range(9)))
    assert [len(line) for line in boxes(rising)] == [9]


@pytest.mark.parametrize("kind", ["ruled", "squared", "shadow", "noise"])
def test_what_is_on_the_paper_already_is_no_stroke(kind):
    rows, columns = np.mgrid[:400, :600]
    noise = np.random.default_rng(0).normal(0, 5, PAGE.shape)
    on_paper = {
        "ruled": np.where(rows % 60 < 2, 0.75, 1),
        "squared": np.where((rows % 60 < 2) | (columns % 60 < 2), 0.75, 1),
        "shadow": np.where(columns + rows / 3 < 250, 0.5, 1),
        "noise": 1 + noise / 200,
    }[kind]
    assert [len(line) for line in boxes(np.clip(PAGE * on_paper, 0, 255).astype(np.float32))] == [4, 2]


def test_pencil_beside_a_marker_is_found():
    pencil = sheet(("7 7", 60, 250), ink=165)
    assert [len(line) for line in boxes(np.minimum(PAGE[:, :], pencil)[:, :])] == [4, 2, 2]


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_an_even_picture_has_no_lines(shade):
    assert boxes(np.full((200, 300), shade, np.float32)) == []


def test_boxes_of_a_large_picture_are_found_on_a_smaller_copy():
    large = np.asarray(Image.fromarray(PAGE).resize((3600, 2400)))
    assert find_strokes(large).ink.shape == (1067, 1600)
    assert [len(line) for line in boxes(large)] == [4, 2]


def desk(left, top):
    """That page on a desk."""
    picture = np.full((900, 1200), 70, np.float32)
    picture[top : top + 400, left : left + 600] = PAGE
    return picture + np.random.default_rng(0).normal(0, 5, picture.shape).astype(np.float32)


def test_a_desk_all_around_a_sheet_is_painted_over():
    (found,) = find_sheets(desk(300, 200))
    assert [len(line) for line in boxes(found)] == [4, 2]
    assert found.min() < 90  # the ink
    assert found[:180].min() > 200  # where the desk was


def test_a_sheet_in_a_corner_may_be_light_beside_a_shadow():
    with_desk = desk(0, 0)
    painted, whole = find_sheets(with_desk)
    assert whole is with_desk
    assert [len(line) for line in boxes(painted)] == [4, 2]


@pytest.mark.parametrize("picture", [PAGE, 255 - PAGE, np.where(np.arange(600) < 300, PAGE, PAGE / 2)])
def test_a_page_that_fills_the_picture_is_left_alone(picture):
    (found,) = find_sheets(np.float32(picture))
    assert np.array_equal(found, picture)


@pytest.mark.parametrize("text", ["12", "17", "111", "1234", "11 4"])
def test_an_upright_1_on_a_small_picture_is_no_ruled_line(text):
    image = Image.new("L", (60 * len(text), 100), 255)
    ImageDraw.Draw(image).text((15, 50), text, fill=0, font_size=60, anchor="lm")
    assert sum(map(len, boxes(np.asarray(image, np.float32)))) == len(text.replace(" ", ""))
