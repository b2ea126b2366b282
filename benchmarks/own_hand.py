"""Fine-tuning for hands that a model has not seen: errors on new and on old hands, before and after.

`just bench own_hand [SEED]`. First a drawn style, learnt from 200 digits by the shipped model: a slashed 0, a 1 with an
upstroke as long as its stem, an open 4, a 5 whose bar stands apart, a 6 like a b, a barred 7, a 9 like a g with a loop,
each a smooth stroke through points that vary. Then real hands: a network of the default preset is trained on the
students of MNIST alone, and on the census workers alone. Of the writers whom it does not know, groups of four are taken
that it reads worst, by 50 random digits of each; these 200 are learnt, the other digits of the four evaluate it.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.tables import print_header, print_row
from flaxdigits import Recognizer, TrainConfig, load
from flaxdigits.data.digits import Digits
from flaxdigits.export.export import export_onnx
from flaxdigits.inference.shipped import SHIPPED, find_model
from flaxdigits.pictures.normalization import centre, fit_box
from flaxdigits.runs import RUNS, Run
from flaxdigits.training.finetuning import finetuning_config
from flaxdigits.training.fit import fit

LEARNT, JUDGED = 200, 2000  # drawn digits
STUDENTS = 2000  # QMNIST's numbers of writers: census workers are below, students from here on
GROUPS, GROUP, FIRST = 5, 4, 50  # groups, writers per group, digits learnt from each writer
VARIATION = 0.035  # standard deviation of a point, heights of the digit
SIDE = 280  # pixels of a drawing
# Points of each digit's strokes, (right, down) in 0..1.
STYLE = {
    0: [
        [(0.55, 0.02), (0.2, 0.25), (0.2, 0.75), (0.5, 1), (0.8, 0.7), (0.8, 0.25), (0.5, 0)],
        [(0.95, 0.05), (0.05, 1)],
    ],
    1: [[(0, 1), (0.3, 0.5), (0.62, 0), (0.62, 0.5), (0.6, 1)]],
    2: [[(0.15, 0.2), (0.45, 0), (0.75, 0.25), (0.3, 0.95), (0.15, 0.75), (0.5, 0.85), (0.95, 1)]],
    3: [[(0.15, 0.05), (0.8, 0), (0.4, 0.42), (0.8, 0.65), (0.5, 1), (0.12, 0.9)]],
    4: [[(0.15, 0.02), (0.12, 0.35), (0.25, 0.55), (0.55, 0.5), (0.8, 0.3)], [(0.85, 0), (0.8, 0.5), (0.78, 1)]],
    5: [[(0.3, 0.02), (0.26, 0.42), (0.7, 0.5), (0.72, 0.85), (0.45, 1), (0.12, 0.92)], [(0.5, 0.02), (0.95, 0)]],
    6: [[(0.3, 0), (0.22, 0.4), (0.2, 0.8), (0.5, 1), (0.75, 0.78), (0.5, 0.58), (0.22, 0.75)]],
    7: [[(0.1, 0.15), (0.15, 0.02), (0.85, 0.03), (0.6, 0.5), (0.4, 1)], [(0.2, 0.55), (0.5, 0.5), (0.9, 0.42)]],
    8: [[(0.85, 0), (0.4, 0.05), (0.3, 0.3), (0.7, 0.65), (0.5, 1), (0.2, 0.75), (0.55, 0.4), (0.8, 0)]],
    9: [[(0.7, 0.1), (0.4, 0), (0.2, 0.2), (0.4, 0.4), (0.7, 0.1), (0.7, 0.7), (0.4, 1), (0.2, 0.8), (0.9, 0.5)]],
}  # fmt: skip


class Result(NamedTuple):
    """Errors on new and old handwriting before and after, and the number of digits evaluated of each."""

    new: tuple[int, int, int]
    old: tuple[int, int, int]
    seconds: float  # of training and export


def draw(count: int, seed: int) -> Digits:
    """Returns digits of the drawn style."""
    rng, labels = np.random.default_rng(seed), np.arange(count, dtype=np.uint8) % 10
    return Digits(np.stack([draw_digit(STYLE[int(label)], rng) for label in labels]), labels, name="a drawn style")


def draw_digit(strokes: list[list[tuple[float, float]]], rng: np.random.Generator) -> np.ndarray:
    """Returns a digit in MNIST's form, with points, slant, width and pen varied."""
    sheet = Image.new("L", (2 * SIDE, 2 * SIDE))
    slant, wide, pen = rng.normal(0, 0.12), rng.uniform(0.5, 0.8), int(rng.uniform(0.07, 0.15) * SIDE)
    for stroke in strokes:
        across, down = smooth(np.array(stroke) + rng.normal(0, VARIATION, (len(stroke), 2))).T
        place = np.stack([SIDE * (0.6 + wide * across - slant * down), SIDE * (0.5 + down)], axis=1)
        path = list(map(tuple, place))
        ImageDraw.Draw(sheet).line(path, fill=255, width=pen, joint="curve")
        for x, y in (path[0], path[-1]):
            ImageDraw.Draw(sheet).ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    return centre(fit_box(np.asarray(sheet, np.float32)))


def smooth(points: np.ndarray) -> np.ndarray:
    """Returns a path through points, [n, 2]: a Catmull-Rom spline."""
    before, after = np.vstack([points[:1], points[:-1]]), np.vstack([points[1:], points[-1:]])
    slopes = (after - before) / 2
    share = np.linspace(0, 1, 12)[:, None]
    squares, cubes = share**2, share**3
    parts = [
        (2 * cubes - 3 * squares + 1) * points[i] + (cubes - 2 * squares + share) * slopes[i]
        + (3 * squares - 2 * cubes) * points[i + 1] + (cubes - squares) * slopes[i + 1]
        for i in range(len(points) - 1)
    ]  # fmt: skip
    return np.concatenate(parts)


def errors(recognizer: Recognizer, digits: Digits) -> int:
    """Returns the number of misread digits."""
    return int((recognizer(digits.images).digits != digits.known_labels()).sum())


def fine_tune(model: Path | str, learnt: Digits, new: Digits, old: Digits, run: Run, **changes: object) -> Result:
    """Fine-tunes a model, and evaluates it before and after."""
    began = time.perf_counter()
    for _ in fit(learnt, finetuning_config(model, len(learnt), **changes), run, if_exists="replace"):
        pass
    after = export_onnx(run).path
    seconds = time.perf_counter() - began
    models = Recognizer(find_model(model)), Recognizer(after)
    new_before, new_after, old_before, old_after = (errors(each, digits) for digits in (new, old) for each in models)
    return Result((new_before, new_after, len(new)), (old_before, old_after, len(old)), seconds)


def split_digits(digits: Digits, known: np.ndarray, folder: Path) -> tuple[Path, Digits, Path]:
    """Returns a model of the known writers alone, digits of theirs that it does not know, and a file of the others."""
    config, theirs = TrainConfig(), replace(digits[known], name="known")
    run = Run(folder / "known")
    for _ in fit(theirs, config, run, if_exists="resume"):
        pass
    held_out = theirs.held_out(config.validation, config.seed)
    learnt = theirs[~held_out]
    np.savez(folder / "known.npz", images=learnt.images, labels=learnt.known_labels())
    return export_onnx(run).path, theirs[held_out], folder / "known.npz"


def groups(recognizer: Recognizer, digits: Digits, seed: int) -> list[tuple[Digits, Digits]]:
    """Returns, for groups of writers, the worst first, the digits to learn and the digits to evaluate on."""
    assert digits.writers is not None
    wrong = recognizer(digits.images).digits != digits.known_labels()
    rng, first = np.random.default_rng(seed), np.zeros(len(digits), bool)
    writers = np.unique(digits.writers)
    for writer in writers:
        first[rng.permutation(np.flatnonzero(digits.writers == writer))[:FIRST]] = True
    worst = np.argsort([-wrong[first & (digits.writers == writer)].mean() for writer in writers], kind="stable")
    chosen = [np.isin(digits.writers, writers[worst[GROUP * i : GROUP * (i + 1)]]) for i in range(GROUPS)]
    return [
        (replace(digits[group & first], writers=None, name="new hands"), digits[group & ~first]) for group in chosen
    ]


def show(name: str, result: Result) -> None:
    """Prints a row."""
    shares = [f"{before} -> {after} of {count:,}" for before, after, count in (result.new, result.old)]
    print_row(name, *shares, f"{result.seconds:.0f}")


def show_groups(name: str, known: np.ndarray, folder: Path, seed: int) -> None:
    """Prints a row for each group of writers that a model does not know."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = load()
    model, old, replayed = split_digits(digits, known, folder)
    for number, (learnt, judged) in enumerate(groups(Recognizer(model), digits[~known], seed), 1):
        result = fine_tune(model, learnt, judged, old, Run(folder / f"group{number}"), replay_data=str(replayed))
        show(f"{name}, group {number}", result)


def main() -> None:
    seed, folder = int(sys.argv[2]) if len(sys.argv) > 2 else 0, RUNS / "own-hand"
    print_header("new hands", "new hands misread", "old hands misread", "seconds")
    drawn = fine_tune(SHIPPED, draw(LEARNT, seed), draw(JUDGED, seed + 1000), load("mnist-test"), Run(folder / "drawn"))
    show("a drawn style; old hands are MNIST's test digits", drawn)
    writers = load().writers
    assert writers is not None
    show_groups("census workers to a model of students", writers >= STUDENTS, folder / "census", seed)
    show_groups("students to a model of census workers", writers < STUDENTS, folder / "students", seed)


if __name__ == "__main__":
    main()
