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
digits, probabilities = session.run(["digit", "probabilities"], {"pixels": pixels})
for digit, row in zip(digits, probabilities):
    print(digit, f"{row[digit]:.4f}")
