"""The probability below which a prediction is "not sure": SURE in exports/web/ui/answer.js.

Measured on three tenths of the training digits, by the record recipe trained on the others, at the shipped model's
temperature, and on random scribbles, which are not digits. Long where runs/held-out is not trained yet.
"""

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.held_out import RECORD, as_model, trained
from benchmarks.tables import print_header, print_row
from flaxdigits import Recognizer, load
from flaxdigits.pictures.normalization import to_mnist

SCRIBBLES = 300


def scribble(rng: np.random.Generator) -> np.ndarray:
    """Returns 5 to 12 straight strokes in a row between random points, uint8 [28, 28]."""
    sheet = Image.new("L", (280, 280), 255)
    points = rng.uniform(40, 240, (rng.integers(6, 14), 2))
    ImageDraw.Draw(sheet).line([(x, y) for x, y in points], fill=0, width=20, joint="curve")
    return to_mnist(np.asarray(sheet))


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Returns probabilities [n, 10] of temperature 1 at another temperature."""
    powers = probabilities.astype(np.float64) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def main() -> None:
    recognizer, _ = as_model(trained("held-out", RECORD))
    temperature = float(Recognizer().metadata["temperature"])
    _, held_out = load().split(RECORD.validation, RECORD.seed)
    prediction = recognizer(held_out.images)
    wrong = prediction.digits != held_out.labels
    rng = np.random.default_rng(0)
    drawn = recognizer(np.stack([scribble(rng) for _ in range(SCRIBBLES)]))
    confidences, scribbles = (tempered(a.probabilities, temperature).max(axis=1) for a in (prediction, drawn))
    print_header("below", f"of {len(wrong):,} held-out digits", f"of the {wrong.sum()} misclassified", "of scribbles")
    for sure in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        unsure = confidences < sure
        print_row(sure, f"{unsure.mean():.1%}", (unsure & wrong).sum(), f"{(scribbles < sure).mean():.0%}")
