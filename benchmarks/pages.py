"""Pages of handwritten numbers, made of MNIST's test digits, and how much of them is read.

A page has 1 to 4 lines of 1 to 4 numbers of 1 to 6 digits in one hand, on plain, ruled or squared paper under uneven
light, as a JPEG; in a quarter of the numbers two digits touch.

`just bench pages` reads 100 of them, `just bench pages N [MODEL.onnx]` so many, and writes them to runs/pages/, the
worst with what was read of them. With `--readers` Tesseract, where it is installed, and RapidOCR read the same files.

A hand is 40 digits that follow each other in the test set: its writers are not known, but those of neighbours are
mostly the same.

A reader's text is compared with what is written: digits by the Levenshtein distance of all of a page's, numbers by the
longest sequence that both have in common.
"""

import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.tables import print_header, print_row
from flaxdigits import Recognizer, load
from flaxdigits.annotation import annotate
from flaxdigits.data.digits import Digits
from flaxdigits.data.load import MNIST_TEST
from flaxdigits.pages import read_digits
from flaxdigits.runs import RUNS

PAGES = 100
WORST = 20  # pages to show
HAND = 40  # digits
RAPIDOCR = Path(__file__).parent / "readers" / "rapidocr_pages.py"
TOUCHING = 0.25  # share of the numbers in which two digits touch
INK = 0.3  # share of full ink from which a pixel counts toward the distance between two digits

Lines = list[list[str]]  # the numbers of each line, from the top, left to right


class Page(NamedTuple):
    """A page and what is written on it."""

    image: np.ndarray  # uint8 [height, width]
    lines: Lines
    boxes: list[tuple[int, int, int, int]]  # left, top, right, bottom of each digit, pixels


class Pen:
    """Writes digits in one handwriting on a page, from left to right."""

    def __init__(self, hand: Digits, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.hand, self.rng = hand, rng
        self.ink = np.zeros(shape, np.float32)  # 0..1
        self.height = rng.uniform(34, 80)  # of a digit, pixels
        self.slant = rng.normal(0, 0.12)  # pixels sideways per pixel of height
        self.slope = np.tan(np.deg2rad(rng.uniform(-3, 3)))  # of the lines
        self.boxes: list[tuple[int, int, int, int]] = []

    def write_line(self, y: float) -> list[str]:
        """Writes up to four numbers whose middle is `y` pixels from the top, and returns them."""
        x, numbers = self.rng.uniform(0.5, 2) * self.height, []
        for _ in range(self.rng.integers(1, 5)):
            count = int(self.rng.integers(1, 7))
            if x + (count + 1) * self.height > self.ink.shape[1]:
                break
            text, x = self.write_number(count, x, y)
            numbers.append(text)
            x += self.rng.uniform(0.8, 2) * self.height
        return numbers

    def write_number(self, count: int, x: float, y: float) -> tuple[str, float]:
        """Writes a number starting at `x`, and returns it and where it ends."""
        # A one-digit number has no touching digits, and one number in six has one digit.
        touches = int(self.rng.integers(1, count)) if count > 1 and self.rng.random() < 6 / 5 * TOUCHING else 0
        text, before, bottom_before = "", None, 0
        for place in range(count):
            digit, ink = self.draw()
            bottom = int(y + self.height / 2 + self.slope * x + self.rng.normal(0, 0.05) * self.height)
            if before is not None:
                wanted = (
                    self.rng.uniform(-3, 0) if place == touches else max(2, self.rng.normal(0.16, 0.06) * self.height)
                )
                x += wanted - distance(before, ink, bottom - bottom_before, int(0.6 * self.height))
            self.place(ink, int(x), bottom)
            text, x, before, bottom_before = text + str(digit), int(x) + ink.shape[1], ink, bottom
        return text, x

    def draw(self) -> tuple[int, np.ndarray]:
        """Returns a digit of the handwriting and its ink, float32 [height, width] in 0..1, cropped."""
        chosen = int(self.rng.integers(len(self.hand)))
        side = round(28 / 20 * self.height * self.rng.normal(1, 0.06))
        big = Image.fromarray(self.hand.images[chosen]).resize((side, side), Image.Resampling.BICUBIC)
        sheared = (1, self.slant, -side / 4 - self.slant * side / 2, 0, 1, 0)
        big = big.transform((side + side // 2, side), Image.Transform.AFFINE, sheared, Image.Resampling.BILINEAR)
        ink = np.asarray(big, np.float32) / 255
        rows, columns = (np.flatnonzero(ink.max(axis=axis) > INK / 2) for axis in (1, 0))
        return int(self.hand.known_labels()[chosen]), ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def place(self, ink: np.ndarray, left: int, bottom: int) -> None:
        """Adds a digit's ink to the page."""
        box = (left, bottom - ink.shape[0], left + ink.shape[1], bottom)
        area = self.ink[box[1] : box[3], box[0] : box[2]]
        np.maximum(area, ink, out=area)
        self.boxes.append(box)


def distance(left: np.ndarray, right: np.ndarray, lower: int, most: int) -> int:
    """Returns the least horizontal distance between two digits' inks if their boxes touched, pixels.

    Args:
        left: the ink of the left one.
        right: the ink of the right one.
        lower: the number of pixels by which the bottom of the right one is lower.
        most: returned if no row has ink of both, or if the distance is larger.
    """
    found = most
    for up in range(len(left)):  # from its bottom
        row = up + lower
        if 0 <= row < len(right):
            ends, starts = np.flatnonzero(left[-1 - up] > INK), np.flatnonzero(right[-1 - row] > INK)
            if len(ends) and len(starts):
                found = min(found, left.shape[1] - 1 - ends[-1] + starts[0])
    return int(found)


def make_page(hand: Digits, rng: np.random.Generator) -> Page:
    """Returns a page in one handwriting."""
    pen = Pen(hand, (int(rng.integers(700, 1100)), int(rng.integers(900, 1500))), rng)
    spacing = pen.height * rng.uniform(1.6, 2.4)
    middles = rng.uniform(2, 2.5) * pen.height + spacing * np.arange(rng.integers(1, 5))
    lines = [pen.write_line(y) for y in middles if y + 2.5 * pen.height < len(pen.ink)]
    return Page(photograph(pen.ink, spacing, rng), lines, pen.boxes)


def photograph(ink: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Returns a photograph of ink on paper, uint8 [height, width]; one in twenty has light ink on dark paper."""
    reflected = paper(ink.shape, spacing, rng) * (1 - rng.uniform(0.45, 0.9) * ink)
    shades = rng.uniform(190, 245) * light(ink.shape, rng) * reflected
    shades = 255 - shades if rng.random() < 0.05 else shades
    noisy = shades + rng.normal(0, rng.uniform(0.5, 6), ink.shape)
    encoded = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=int(rng.integers(50, 96)))
    return np.asarray(Image.open(encoded).convert("L"))


def light(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Returns light that falls off to one side, three in ten times with the edge of a shadow."""
    angle = rng.uniform(0, 2 * np.pi)
    down, across = (np.arange(side) / side - 0.5 for side in shape)
    along = down[:, None] * np.sin(angle) + across * np.cos(angle)
    even = 1 + rng.uniform(0, 0.5) * along
    if rng.random() < 0.7:
        return even
    edge = (along - rng.uniform(-0.3, 0.3)) / rng.choice([0.004, 0.05])
    return even * (1 - rng.uniform(0.2, 0.5) / (1 + np.exp(np.clip(edge, -50, 50))))


def paper(shape: tuple[int, int], spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Returns what the paper reflects: every second sheet is ruled, and three in ten of those are squared."""
    reflected = np.ones(shape)
    if rng.random() < 0.5:
        apart, thick = int(spacing * rng.choice([1, rng.uniform(0.6, 1.5)])), int(rng.integers(1, 4))
        first, share = int(rng.integers(apart)), 1 - rng.uniform(0.1, 0.35)
        for axis in (0, 1) if rng.random() < 0.3 else (0,):
            ruled = (np.arange(shape[axis]) + first) % apart < thick
            reflected[ruled if axis == 0 else (slice(None), ruled)] *= share
    return reflected


def make_pages(digits: Digits, count: int) -> Iterator[Page]:
    """Yields pages, one per seed from 0 on, each in the handwriting of a random writer."""
    assert digits.writers is not None
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield make_page(digits[digits.writers == rng.choice(np.unique(digits.writers))], rng)


def edits(truth: Any, found: Any, replacing: int) -> int:
    """Returns the minimum cost of turning one sequence into another, where an insertion or a deletion costs 1."""
    costs = list(range(len(found) + 1))
    for row, wanted in enumerate(truth, 1):
        diagonal, costs[0] = costs[0], row
        for column, got in enumerate(found, 1):
            replaced = diagonal + (0 if wanted == got else replacing)
            diagonal, costs[column] = costs[column], min(replaced, costs[column] + 1, costs[column - 1] + 1)
    return costs[-1]


def score(pages: list[Page], readings: list[Lines]) -> tuple[str, str, str]:
    """Returns the shares of digits, of numbers and of whole pages that are read correctly."""
    digits = numbers = wrong = common = whole = 0
    for page, found in zip(pages, readings, strict=True):
        truth, got = ([number for line in lines for number in line] for lines in (page.lines, found))
        digits, wrong = digits + len("".join(truth)), wrong + edits("".join(truth), "".join(got), 1)
        numbers, common = numbers + len(truth), common + (len(truth) + len(got) - edits(truth, got, 2)) // 2
        whole += found == page.lines
    return tuple(f"{100 * share:.1f}%" for share in (1 - wrong / digits, common / numbers, whole / len(pages)))


def flaxdigits(recognizer: Recognizer, path: Path) -> Lines:
    """Reads a page as `flaxdigits predict` does."""
    lines: dict[int, dict[int, str]] = {}
    for reading in read_digits(path, recognizer):
        if not reading.refused:
            numbers = lines.setdefault(reading.line, {})
            numbers[reading.number] = numbers.get(reading.number, "") + str(reading.digit)
    return [list(numbers.values()) for numbers in lines.values()]


def tesseract(path: Path) -> Lines:
    """Reads a page with Tesseract, restricted to digits."""
    command = ["tesseract", str(path), "-", "--psm", "6", "-c", "tessedit_char_whitelist=0123456789"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return [line.split() for line in done.stdout.splitlines() if line.split()]


def rapidocr(folder: Path) -> list[Lines]:
    """Reads all pages of a folder with RapidOCR, in an environment of its own."""
    command = ["uv", "run", "--quiet", "--no-project", "--python", sys.executable, "--script"]
    done = subprocess.run([*command, str(RAPIDOCR), str(folder)], capture_output=True, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def show_worst(pages: list[Page], readings: list[Lines], recognizer: Recognizer, folder: Path) -> None:
    """Draws the pages with the most wrong digits, and prints what is written on them and what was read."""
    both = [
        ["".join(number for line in lines for number in line) for lines in (page.lines, found)]
        for page, found in zip(pages, readings, strict=True)
    ]
    wrong = [edits(*texts, 1) for texts in both]
    for page in sorted(range(len(pages)), key=lambda page: -wrong[page])[:WORST]:
        drawn = annotate(Image.fromarray(pages[page].image), read_digits(pages[page].image, recognizer))
        drawn.save(folder / "worst" / f"{page}.png")
        print(f"{page}: {wrong[page]} wrong; written {pages[page].lines}, read {readings[page]}")


def main() -> None:
    test = load(MNIST_TEST)
    hands = replace(test, writers=np.arange(len(test)) // HAND)
    count, *model = [word for word in sys.argv[2:] if word != "--readers"] or [PAGES]
    pages = list(make_pages(hands, int(count)))
    recognizer, folder = Recognizer(*model), RUNS / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "worst").mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(len(pages))]
    for path, page in zip(paths, pages, strict=True):
        Image.fromarray(page.image).save(path)
    began = time.perf_counter()
    readings = [flaxdigits(recognizer, path) for path in paths]
    seconds = time.perf_counter() - began
    print_header(f"{len(pages)} pages", "digits", "numbers", "whole pages")
    print_row("flaxdigits", *score(pages, readings))
    if "--readers" in sys.argv:
        print_row("RapidOCR", *score(pages, rapidocr(folder)))
    if "--readers" in sys.argv and shutil.which("tesseract"):
        print_row("Tesseract", *score(pages, [tesseract(path) for path in paths]))
    print(f"\n{1000 * seconds / len(pages):.0f} ms a page; the pages, and the worst of them: {folder}\n")
    show_worst(pages, readings, recognizer, folder)
