"""A model as a Triton Inference Server model repository, which KServe serves as well.

The layout and config.pbtxt follow
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
and model_configuration.html beside it.
"""

import shutil
from pathlib import Path

from flaxdigits import atomic
from flaxdigits.convention import CLASSES, SIDE
from flaxdigits.inference.contract import DIGIT, INPUT, PROBABILITIES

MODEL_NAME = "digits"
MAX_BATCH_SIZE = 1024

# `digit` has no axis but the batch. Triton wants at least one in dims, and takes it away with reshape.
CONFIG = f"""\
name: "{MODEL_NAME}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH_SIZE}
input [
  {{ name: "{INPUT.name}", data_type: TYPE_UINT8, dims: [ {SIDE}, {SIDE} ] }}
]
output [
  {{ name: "{DIGIT.name}", data_type: TYPE_INT64, dims: [ 1 ], reshape: {{ shape: [ ] }} }},
  {{ name: "{PROBABILITIES.name}", data_type: TYPE_FP32, dims: [ {CLASSES} ] }}
]
dynamic_batching {{ }}
"""


def write_repository(model: Path, folder: Path) -> Path:
    """Writes folder/digits with config.pbtxt and 1/model.onnx in it; returns that folder."""
    place = folder / MODEL_NAME
    with atomic.replacing(place / "1" / "model.onnx") as beside:
        shutil.copyfile(model, beside)
    atomic.write_text(place / "config.pbtxt", CONFIG)
    return place
