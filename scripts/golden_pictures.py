"""Writes exports/golden/pictures and pages: pictures of one digit and of several, with the reference results.

These are the 28x28 pixels to which a digit is normalized, and the digits that the shipped model reads on a page. Tests
compare every implementation of flaxdigits/pictures and pages.py with them, such as the page in exports/web.
"""

import hashlib
import json

import numpy as np
from PIL import Image

from flaxdigits import Recognizer, atomic, load, read_picture
from flaxdigits.inference.shipped import GOLDEN, MODEL
from flaxdigits.pages import read_digits

SIZE = 240
PAGE = 260, 380  # height and width of a page
TOLERANCE = 1e-3  # for a probability and a digitness on a page, where boxes may differ by a pixel
LEFTS = (
    ((5, 44, 82, 200, 238), (20, 60, 98, 136, 250)),
    ((15, 70, 180, 230), (10, 60, 150, 205, 255)),
    ((45, 90, 200), (60, 140, 185, 230)),
)  # of each page's digits, line by line, pixels


def main() -> None:
    write_pictures()
    write_pages()


def write_pictures() -> None:
    """Writes pictures of one digit, and their pixels."""
    folder = GOLDEN / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    blank = {"blank": np.full((100, 160), 255), "blank-transparent": np.zeros((60, 60, 4)), "blank-faint": faint()}
    pictures = make_pictures(load("mnist-test").images)
    for name, pixels in (pictures | blank).items():
        Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(folder / f"{name}.png", optimize=True)
    files = [f"pictures/{name}.png" for name in pictures]
    expected = np.stack([read_picture(GOLDEN / file) for file in files])
    with atomic.replacing(GOLDEN / "pictures.bin") as beside:
        beside.write_bytes(expected.tobytes())
    blanks = [f"pictures/{name}.png" for name in blank]
    description = {"shape": list(expected.shape), "pixels": "pictures.bin", "pictures": files, "blank": blanks}
    atomic.write_text(GOLDEN / "pictures.json", json.dumps(description, indent=1) + "\n")
    print(f"{len(files)} pictures and {len(blanks)} blank ones in {folder}")


def write_pages() -> None:
    """Writes pages, and their readings."""
    folder = GOLDEN / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    recognizer, pages = Recognizer(), []
    for name, pixels in make_pages(load("mnist-test").images).items():
        file = folder / f"{name}.png"
        Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(file, optimize=True)
        readings = [reading.as_dict() for reading in read_digits(file, recognizer)]
        pages.append({"file": f"pages/{name}.png", "readings": readings})
    model = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    description = {"model": {"sha256": model}, "tolerance": TOLERANCE, "pages": pages}
    atomic.write_text(GOLDEN / "pages.json", json.dumps(description, indent=1) + "\n")
    print(f"{len(pages)} pages in {folder}")


def make_pages(digits: np.ndarray) -> dict[str, np.ndarray]:
    """Returns pages by name, [height, width], 0..255, from uint8 [n, 28, 28]."""
    rng = np.random.default_rng(1)
    ink = [written(part, lefts) for part, lefts in zip((digits[20:], digits[40:], digits[60:]), LEFTS, strict=True)]
    down, across = np.mgrid[: PAGE[0], : PAGE[1]]
    noise = rng.normal(0, 1.5, (3, *PAGE))
    ruled = np.where(down % 40 < 2, 0.8, 1)
    shadow = np.where(across + down / 3 < 200, 0.6, 1)
    on_sheet = (across > 30) & (across < 350) & (down > 20) & (down < 245)
    return {
        "touching": 215 * (1 - 0.7 * ink[0]) + noise[0],
        "ruled": 225 * ruled * shadow * (1 - 0.75 * ink[1]) + noise[1],
        "sheet": np.where(on_sheet, 220 * (1 - 0.7 * ink[2]), 70) + noise[2],
    }


def written(digits: np.ndarray, lefts: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Returns lines of digits at the given left ends, float PAGE, 0 paper .. 1 ink."""
    page, used = np.zeros(PAGE), 0
    for row, line in enumerate(lefts):
        for left in line:
            digit = np.asarray(Image.fromarray(digits[used]).resize((70, 70), Image.Resampling.BICUBIC)) / 255
            area = page[45 + 90 * row : 115 + 90 * row, left : left + 70]
            np.maximum(area, digit, out=area)
            used += 1
    return page


def make_pictures(digits: np.ndarray) -> dict[str, np.ndarray]:
    """Returns pictures by name, [height, width] or [height, width, channels], 0..255, from uint8 [n, 28, 28]."""
    rng = np.random.default_rng(0)
    ink = [on_sheet(digit, 200, 20, 20) for digit in digits[:16]]
    across, down = np.meshgrid(*[np.linspace(-0.5, 0.5, SIZE)] * 2)
    noise = rng.normal(0, 5, (6, SIZE, SIZE))
    ruled = np.where(np.arange(SIZE)[:, None] % 30 < 2, 0.75, 1)
    colour = np.array([180, 60, 20])
    return {
        "mnist-itself": digits[0],
        "mnist-inverted": 255 - digits[1],
        "mnist-not-centred": np.roll(digits[2], (-3, 4), (0, 1)),
        "dark-on-light": 255 - 255 * ink[3],
        "light-on-dark": 255 * ink[4],
        "in-a-corner": 255 - 255 * on_sheet(digits[5], 90, 5, 140),
        "small": 255 - np.asarray(Image.fromarray(digits[6]).resize((17, 23))),
        "wide": 255
        - np.pad(np.asarray(Image.fromarray(digits[7]).resize((90, 60))), ((5, 5), (200, 20))).astype(float),
        "colour": 255 - ink[8][..., None] * (255 - colour),
        "colour-on-colour": 200 - ink[9][..., None] * colour * [-0.3, 1, 2],
        "dark-strokes-on-nothing": np.dstack([np.zeros((SIZE, SIZE, 3)), np.rint(ink[10]) * 255]),
        "light-strokes-on-nothing": np.dstack([np.full((SIZE, SIZE, 3), 255), np.rint(ink[11]) * 255]),
        "cropped": 255 - 255 * crop(on_sheet(digits[12], 200, 20, 20)),
        "noisy": 200 - 150 * ink[13] + noise[0] / 2,
        "photo-lamp": 190 * (1 + 0.6 * across) * (1 - 0.7 * ink[14]) + noise[1],
        "photo-shadow": 200 * (1 - 0.4 / (1 + np.exp(-12 * (across + down)))) * (1 - 0.7 * ink[15]) + noise[2],
        "photo-ruled": 200 * ruled * (1 - 0.7 * ink[1]) + noise[3],
        "photo-chalk": 60 * (1 + 0.8 * across) + 150 * ink[2] + noise[4],
    }


def on_sheet(digit: np.ndarray, size: int, top: int, left: int) -> np.ndarray:
    """Returns a digit upscaled to `size` on a sheet, float [SIZE, SIZE], 0 paper .. 1 ink."""
    sheet = np.zeros((SIZE, SIZE))
    drawn = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    sheet[top : top + size, left : left + size] = np.asarray(drawn) / 255
    return sheet


def crop(ink: np.ndarray) -> np.ndarray:
    """Crops a sheet to the bounding box of its ink."""
    rows, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def faint() -> np.ndarray:
    """Returns a picture of a spot too faint to be ink."""
    return np.where(np.hypot(*np.mgrid[-40:40, -40:40]) < 15, 235, 250)


if __name__ == "__main__":
    main()
