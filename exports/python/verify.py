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
found = dict(zip([output.name for output in session.get_outputs()], session.run(None, {"pixels": pixels})))
digits, probabilities = found["digit"], found["probabilities"]
digitness = found.get("digitness", np.ones(len(pixels)))  # a model need not have it

expected = [[*case["probabilities"], case["digitness"]] for case in golden["cases"]]
differences = np.abs(np.column_stack([probabilities, digitness]) - expected).max(axis=1)
passed = (digits == [case["digit"] for case in golden["cases"]]) & (differences <= golden["tolerance"])
for index in np.flatnonzero(~passed):
    print("does not match its reference output:", golden["cases"][index]["name"], file=sys.stderr)
runtime = f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}"
print(f"{passed.sum()} of {len(passed)} golden vectors passed ({runtime}, largest difference {differences.max():.1e})")
sys.exit(not (len(passed) and passed.all()))
