"""What is refused as no digit: letters of font families not trained on, Fashion-MNIST, scribbles, and real digits.

`just bench refusal [MODEL.onnx]` judges a model, the shipped one by default, on MNIST's 10,000 test digits and on
pictures of which none was trained on, and draws the refusal curve. Without the output `digitness`, the confidence
stands for it.

The letters are of benchmarks/glyphs.npz (scripts/build_glyphs.py). Fashion-MNIST is Debian's package
dataset-fashion-mnist; it is left out where that is not installed.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.tables import print_header, print_row
from flaxdigits import Recognizer, load
from flaxdigits.data.glyphs import load_glyphs
from flaxdigits.pictures.normalization import centre, fit_box
from flaxdigits.runs import RUNS

GLYPHS = Path(__file__).with_name("glyphs.npz")
FASHION = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")
FALSE_REFUSALS = 0.01  # share of the real digits that are refused
LIKE_DIGITS = "OolI"
SCRIBBLES = 2000


def letters(like_digits: bool = True) -> np.ndarray:
    """Returns letters of the held-out families, uint8 [n, 28, 28]."""
    glyphs = load_glyphs(GLYPHS)
    chosen = ~glyphs.are_digits & (like_digits | ~np.isin(glyphs.characters, list(LIKE_DIGITS)))
    return glyphs.images[chosen]


def scribbles(count: int = SCRIBBLES) -> np.ndarray:
    """Returns scribbles: a sum of circles of random frequencies, as from a pen that moves to and fro."""
    rng, found = np.random.default_rng(1), []
    for _ in range(count):
        time, path = np.linspace(0, 1, 300), np.full((2, 300), 140.0)
        for frequency in range(1, 8):
            size = rng.normal(0, 60 / frequency**0.7, (2, 1))
            path += size * np.sin(2 * np.pi * (frequency * time * rng.uniform(0.8, 1.2) + rng.random((2, 1))))
        sheet = Image.new("L", (280, 280))
        ImageDraw.Draw(sheet).line(list(map(tuple, path.T)), fill=255, width=int(rng.integers(8, 24)), joint="curve")
        found.append(centre(fit_box(np.asarray(sheet, np.float32))))
    return np.stack(found)


def judged() -> dict[str, np.ndarray]:
    """Returns the pictures that are not digits, by kind."""
    kinds = {"letters": letters(), f"letters but {LIKE_DIGITS}": letters(like_digits=False), "scribbles": scribbles()}
    return kinds | ({"Fashion-MNIST": load(FASHION).images} if FASHION.exists() else {})


def scores(recognizer: Recognizer, images: np.ndarray) -> np.ndarray:
    """Returns the digitness, or the confidence of a model without it."""
    prediction = recognizer(images)
    return prediction.digitness if recognizer.threshold else prediction.confidences


def auroc(real: np.ndarray, none: np.ndarray) -> float:
    """Returns the probability that a real digit has the higher score, a tie counting half."""
    order = np.sort(none)
    below, upto = (np.searchsorted(order, real, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(none))


def main() -> None:
    recognizer = Recognizer(*sys.argv[2:3])
    real = scores(recognizer, load("mnist-test").images)
    threshold = float(np.quantile(real, FALSE_REFUSALS))
    print(f"{recognizer.name}: threshold {recognizer.threshold} refuses {(real < recognizer.threshold).mean():.2%}\n")
    print_header("kind", "pictures", "AUROC", f"refused at {FALSE_REFUSALS:.0%} false refusals", "at the threshold")
    curves = {}
    for kind, images in judged().items():
        curves[kind] = none = scores(recognizer, images)
        refused = (f"{(none < limit).mean():.1%}" for limit in (threshold, recognizer.threshold))
        print_row(kind, len(images), f"{auroc(real, none):.4f}", *refused)
    print(f"\ndigits of the held-out fonts: {fonts_line(recognizer)}\n\n{plot(real, curves)}")


def fonts_line(recognizer: Recognizer) -> str:
    """Returns how many digits of the held-out font families are read correctly, and how many are refused."""
    glyphs = load_glyphs(GLYPHS)
    prediction = recognizer(glyphs.images[glyphs.are_digits])
    right = prediction.digits == glyphs.characters[glyphs.are_digits].astype(np.int64)
    refused = prediction.digitness < recognizer.threshold
    return f"{len(right):,}, {right.mean():.1%} read rightly, {refused.mean():.1%} refused"


def plot(real: np.ndarray, curves: dict[str, np.ndarray]) -> Path:
    """Draws refused real digits against accepted pictures that are not digits, and returns the file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    limits = np.quantile(real, np.geomspace(1e-3, 0.2, 200))
    for kind, none in curves.items():
        axes.plot([(real < x).mean() * 100 for x in limits], [(none >= x).mean() * 100 for x in limits], label=kind)
    axes.set(xscale="log", xlabel="real digits refused, %", ylabel="others answered, %", ylim=(0, None))
    axes.axvline(100 * FALSE_REFUSALS, color="grey", linewidth=0.8, linestyle=":")
    axes.legend()
    path = RUNS / "refusal.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


if __name__ == "__main__":
    main()
