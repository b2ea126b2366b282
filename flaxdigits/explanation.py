"""Explanation: the steps by which a picture was read, as an image and in words."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from flaxdigits.annotation import DOUBTFUL, READ, REFUSED, annotate
from flaxdigits.extras import require
from flaxdigits.inference.recognizer import Recognizer
from flaxdigits.lattice import Group, groups_of, read_lines
from flaxdigits.pages import Mode, Reading, read_digits, read_single
from flaxdigits.pictures.layout import Line
from flaxdigits.pictures.normalization import locate
from flaxdigits.pictures.reading import read_grey

WIDTH = 900  # of the sheet, pixels
TILE = 84  # of a digit as given to the model, three pixels for each of its 28
CAPTION = 34  # pixels below a tile
GREY = (150, 150, 150)
LEGEND = (
    "on the sheet, from the top: the picture, what is read in blue and what is refused in red; the ink and its pieces, "
    "those after a cut in red; what the model was given, the chosen ones in blue, each with its digit, the probability "
    "and the digitness"
)


class Explanation(NamedTuple):
    """How a picture was read.

    Attributes:
        sheet: the picture with its readings; the ink with its pieces and cuts; each digit as given to the model.
        words: the findings, one sentence each.
        readings: as returned by `read_digits`.
    """

    sheet: Image.Image
    words: list[str]
    readings: list[Reading]


def explain(picture: Image.Image, recognizer: Recognizer, mode: Mode = "auto") -> Explanation:
    """Explains how a picture is read.

    Args:
        picture: the picture, upright.
        recognizer: the model.
        mode: as for `read_digits`.

    Raises:
        MissingExtraError: without OpenCV.
    """
    require("pages", "explaining a picture")
    from flaxdigits.pictures.layout import find_lines
    from flaxdigits.pictures.sheet import find_sheets
    from flaxdigits.pictures.strokes import find_strokes, may_be_light

    readings = read_digits(picture, recognizer, mode)
    grey = read_grey(picture)
    sheet = find_sheets(grey)[0]
    as_one = bool(readings) and readings == read_single(grey, recognizer)
    light_ink = may_be_light(sheet)[0]
    strokes = find_strokes(sheet, light_ink)
    lines = find_lines(strokes)
    words = [
        f"a sheet of paper on a darker background: {'found and painted over' if sheet is not grey else 'none'}",
        f"ink: {'lighter' if light_ink else 'darker'} than the paper, by up to {strokes.ink.max():.0%}",
        f"components of ink: {len(strokes.boxes)}; in lines of writing: {len(lines)}",
        *(words_of(number, line) for number, line in enumerate(lines, 1)),
        *(["read as a single digit, not line by line"] if as_one else []),
        *(warnings_of(readings)),
        LEGEND,
    ]
    panels = [
        fitted(annotate(picture, readings)),
        fitted(draw_pieces(strokes.ink, lines)),
        *([Image.fromarray(255 - locate(grey)[0]).resize((TILE, TILE), Image.Resampling.NEAREST)] if as_one else []),
        *(draw_groups(line, recognizer) for line in lines),
    ]
    return Explanation(stacked(panels), words, readings)


def words_of(number: int, line: Line) -> str:
    """Returns a sentence on how a line was divided."""
    cuts = sum(piece.follows_cut for piece in line.pieces)
    pieces = f"{len(line.pieces)} pieces, {cuts} of them by a cut through the ink"
    return f"line {number}: digits {line.height:.0f} pixels high; {pieces}; {len(groups_of(line))} groups were read"


def warnings_of(readings: list[Reading]) -> list[str]:
    """Returns warnings about refused and doubtful digits."""
    refused = [reading for reading in readings if reading.refused]
    doubtful = [reading for reading in readings if not reading.refused and reading.probability < DOUBTFUL]
    return [
        *(["nothing stands out from the paper"] if not readings else []),
        *([f"{len(refused)} refused: they look less like digits than like something else"] if refused else []),
        *(f"a {one.digit} at {one.box} with {one.probability:.0%}: look at it" for one in doubtful),
    ]


def draw_pieces(ink: np.ndarray, lines: list[Line]) -> Image.Image:
    """Returns the ink, dark on white, with a box around each piece, red after a cut."""
    drawn = Image.fromarray(np.rint(255 * (1 - ink)).astype(np.uint8)).convert("RGB")
    for line in lines:
        for piece in line.pieces:
            ImageDraw.Draw(drawn).rectangle(piece.box, outline=REFUSED if piece.follows_cut else READ)
    return drawn


def draw_groups(line: Line, recognizer: Recognizer) -> Image.Image:
    """Returns the groups of a line as given to the model; those of the likeliest sequence have a blue caption."""
    groups = groups_of(line)
    chosen = {read.box for read in read_lines([line], recognizer)[0]}
    prediction = recognizer(np.stack([group.pixels for group in groups]))
    columns = WIDTH // TILE
    sheet = Image.new("RGB", (WIDTH, -(-len(groups) // columns) * (TILE + CAPTION)), "white")
    for index, group in enumerate(groups):
        place = index % columns * TILE, index // columns * (TILE + CAPTION)
        figures = prediction.digits[index], prediction.confidences[index], prediction.digitness[index]
        draw_group(sheet, group, place, figures, group.box in chosen)
    return sheet


def draw_group(
    sheet: Image.Image, group: Group, place: tuple[int, int], figures: tuple[int, float, float], chosen: bool
) -> None:
    """Draws a group and the model's answer for it."""
    left, top = place
    tile = Image.fromarray(255 - group.pixels).resize((TILE - 6, TILE - 6), Image.Resampling.NEAREST)
    sheet.paste(tile, (left + 3, top + 3))
    draw, colour = ImageDraw.Draw(sheet), READ if chosen else GREY
    draw.rectangle((left + 2, top + 2, left + TILE - 3, top + TILE - 3), outline=colour, width=2 if chosen else 1)
    digit, probability, digitness = figures
    draw.text((left + 4, top + TILE), f"{digit}  {probability:.0%}", fill=colour, font_size=14)
    draw.text((left + 4, top + TILE + 15), f"digit {digitness:.2f}", fill=colour, font_size=12)


def fitted(panel: Image.Image) -> Image.Image:
    """Returns a panel, shrunk to the width of the sheet if it is wider."""
    share = WIDTH / panel.width
    return panel if share >= 1 else panel.resize((WIDTH, max(1, round(share * panel.height))))


def stacked(panels: list[Image.Image]) -> Image.Image:
    """Returns panels stacked vertically."""
    sheet = Image.new("RGB", (WIDTH, sum(panel.height + 8 for panel in panels)), "white")
    top = 0
    for panel in panels:
        sheet.paste(panel, (0, top))
        top += panel.height + 8
    return sheet
