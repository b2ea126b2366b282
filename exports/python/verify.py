"""Checks that a model matches its reference outputs on this machine: python verify.py MODEL.onnx GOLDEN_FOLDER

Needs numpy and onnxruntime, and nothing of flaxdigits.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

if len(sys.argv) != 3:
    sys.exit("usage: python verify.py MODEL.onnx GOLDEN_FOLDER")
model, folder = sys.argv[1:]
golden = json.loads(Path(folder, "golden.json").read_text(encoding="utf-8"))
pixels = np.fromfile(Path(folder, golden["pixels"]), np.uint8).reshape(golden["shape"])
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
digits, probabilities = session.run(["digit", "probabilities"], {"pixels": pixels})

differences = np.abs(probabilities - [case["probabilities"] for case in golden["cases"]]).max(axis=1)
passed = (digits == [case["digit"] for case in golden["cases"]]) & (differences <= golden["tolerance"])
for index in np.flatnonzero(~passed):
    print("does not match its reference output:", golden["cases"][index]["name"], file=sys.stderr)
runtime = f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}"
print(f"{passed.sum()} of {len(passed)} golden vectors passed ({runtime}, largest difference {differences.max():.1e})")
sys.exit(not (len(passed) and passed.all()))
