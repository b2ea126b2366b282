"""Below which probability an answer is "not sure", as SURE in exports/web/answer.js has it.

Judged on the held-out writers of runs/sizes (`just bench sizes`), by the network whose size is shipped, at the
temperature fitted on them, and on random scribbles, which are no digits at all.
"""

import numpy as np
from PIL import Image, ImageDraw

from flaxdigits import Recognizer, load
from flaxdigits.pictures import to_mnist
from flaxdigits.runs import RUNS
from flaxdigits.training.config import PRESETS

NETWORK = RUNS / "sizes" / "1280-1024-512"
SCRIBBLES = 300


def scribble(rng: np.random.Generator) -> np.ndarray:
    """Returns 5 to 12 straight strokes in a row between random points, uint8 [28, 28]."""
    sheet = Image.new("L", (280, 280), 255)
    points = rng.uniform(40, 240, (rng.integers(6, 14), 2))
    ImageDraw.Draw(sheet).line([(x, y) for x, y in points], fill=0, width=20, joint="curve")
    return to_mnist(np.asarray(sheet))


def main() -> None:
    recognizer, config = Recognizer(NETWORK), PRESETS["default"]
    _, held_out = load().split(config.validation, config.seed)
    answer = recognizer(held_out.images)
    wrong = answer.digits != held_out.labels
    rng = np.random.default_rng(0)
    scribbles = recognizer(np.stack([scribble(rng) for _ in range(SCRIBBLES)])).confidences
    print(f"| below | of {len(wrong):,} held-out digits | of the {wrong.sum()} read wrongly | of scribbles |")
    print("|---|---|---|---|")
    for sure in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        unsure = answer.confidences < sure
        print(f"| {sure} | {unsure.mean():.1%} | {(unsure & wrong).sum()} | {(scribbles < sure).mean():.0%} |")
