import numpy as np
import pytest
from PIL import Image, ImageDraw

from flaxdigits.pictures.cuts import cut
from flaxdigits.pictures.layout import find_lines, writing_slant
from flaxdigits.pictures.strokes import find_strokes


def page(slant):
    """Three leaning bars apart, and two that a bridge joins, on paper; the slant is sideways per pixel down."""
    image = Image.new("L", (900, 300), 230)
    for left in (120, 260, 400, 560, 600):
        ImageDraw.Draw(image).line((left - 50 * slant, 80, left + 50 * slant, 180), fill=60, width=12)
    ImageDraw.Draw(image).line((560, 130, 600, 130), fill=60, width=6)
    return find_strokes(np.asarray(image, np.float32))


@pytest.mark.parametrize("slant", [-0.6, -0.2, 0.0, 0.4])
def test_the_slant_of_the_writing_is_that_of_its_bars(slant):
    strokes = page(slant)
    assert writing_slant(strokes, np.arange(len(strokes.boxes))) == pytest.approx(slant, abs=0.05)


def test_two_components_are_too_few_to_tell_a_slant():
    strokes = page(-0.6)
    assert writing_slant(strokes, np.arange(2)) == 0


def test_what_touches_is_cut_along_the_slant_of_the_writing():
    strokes = page(-0.6)
    (line,) = find_lines(strokes)
    *bars, pair = [piece for piece in line.pieces if not piece.follows_cut]
    left, top = pair.box[0], strokes.boxes[-1][1]
    found = [piece for piece in line.pieces if piece.box[0] >= left]
    (label,) = np.unique(strokes.labels[:, left : left + 4])[1:]
    box = strokes.boxes[label - 1]
    area = strokes.labels[box[1] : box[3], box[0] : box[2]] == label
    ink = np.where(area, strokes.ink[box[1] : box[3], box[0] : box[2]], 0)
    along, upright = cut(ink, line.height, -0.6), cut(ink, line.height, 0.0)
    assert len(bars) == 3
    assert top == box[1]
    assert sorted(piece.ink.sum() for piece in found) == pytest.approx(sorted(part.sum() for part in along), rel=0.02)
    assert sorted(part.sum() for part in along) != pytest.approx(sorted(part.sum() for part in upright), rel=0.02)
