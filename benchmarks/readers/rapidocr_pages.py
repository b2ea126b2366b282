# /// script
# requires-python = ">=3.10"
# dependencies = ["rapidocr-onnxruntime==1.4.4"]
# ///
"""Reads pages with RapidOCR (PP-OCRv4): python rapidocr_pages.py FOLDER; prints a JSON list of lines for each PNG.

Its results are put in order: boxes whose middles are level form a line, from left to right. Letters are dropped, and
spaces inside a box separate numbers. Uses nothing from flaxdigits.
"""

import json
import re
import sys
from pathlib import Path

from rapidocr_onnxruntime import RapidOCR


def in_lines(found: list) -> list[list[str]]:
    """Returns the numbers of each line, from RapidOCR's boxes and texts."""
    boxes = []
    for corners, text, _ in found or []:
        ys, xs = [y for _, y in corners], [x for x, _ in corners]
        boxes.append((sum(ys) / 4, max(ys) - min(ys), min(xs), text))
    lines: list[list[tuple]] = []
    for box in sorted(boxes):
        if lines and box[0] - lines[-1][-1][0] < 0.5 * box[1]:
            lines[-1].append(box)
        else:
            lines.append([box])
    numbers = [
        [re.sub(r"\D", "", word) for *_, text in sorted(line, key=lambda box: box[2]) for word in text.split()]
        for line in lines
    ]
    kept = [[number for number in line if number] for line in numbers]
    return [line for line in kept if line]


engine = RapidOCR()
for path in sorted(Path(sys.argv[1]).glob("*.png"), key=lambda path: int(path.stem)):
    print(json.dumps(in_lines(engine(str(path))[0])), flush=True)
