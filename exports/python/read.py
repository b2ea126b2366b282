"""Reads digits from raw pixels: python read.py MODEL.onnx PIXELS.bin

PIXELS.bin holds 28 x 28 bytes a digit, rows from the top, 0 = paper, 255 = ink. Needs numpy and onnxruntime.
"""

import sys

import numpy as np
import onnxruntime

if len(sys.argv) != 3:
    sys.exit("usage: python read.py MODEL.onnx PIXELS.bin")
model, file = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
pixels = np.fromfile(file, np.uint8).reshape(-1, 28, 28)
found = dict(zip([output.name for output in session.get_outputs()], session.run(None, {"pixels": pixels})))
digitness = found.get("digitness", np.ones(len(pixels)))  # a model need not have it
for digit, row, is_digit in zip(found["digit"], found["probabilities"], digitness):
    print(f"{digit} {row[digit]:.4f}" if is_digit >= 0.5 else "no digit")
