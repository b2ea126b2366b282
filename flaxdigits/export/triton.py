"""A model as a Triton Inference Server model repository, which KServe can also serve.

The layout and config.pbtxt follow
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
and model_configuration.html beside it.
"""

import shutil
from pathlib import Path

from flaxdigits import atomic
from flaxdigits.convention import CLASSES, SIDE
from flaxdigits.inference.contract import DIGIT, DIGITNESS, INPUT, PROBABILITIES
from flaxdigits.inference.recognizer import Recognizer

MODEL_NAME = "digits"
MAX_BATCH_SIZE = 1024

HEAD = f"""\
name: "{MODEL_NAME}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH_SIZE}
input [
  {{ name: "{INPUT.name}", data_type: TYPE_UINT8, dims: [ {SIDE}, {SIDE} ] }}
]
"""
# Two outputs have only the batch axis. Triton requires at least one axis in dims; reshape removes it again.
OUTPUT_LINES = {
    DIGIT: f'{{ name: "{DIGIT.name}", data_type: TYPE_INT64, dims: [ 1 ], reshape: {{ shape: [ ] }} }}',
    PROBABILITIES: f'{{ name: "{PROBABILITIES.name}", data_type: TYPE_FP32, dims: [ {CLASSES} ] }}',
    DIGITNESS: f'{{ name: "{DIGITNESS.name}", data_type: TYPE_FP32, dims: [ 1 ], reshape: {{ shape: [ ] }} }}',
}


def configuration(has_digitness: bool) -> str:
    """Returns the content of config.pbtxt."""
    lines = [line for output, line in OUTPUT_LINES.items() if has_digitness or output is not DIGITNESS]
    return HEAD + "output [\n  " + ",\n  ".join(lines) + "\n]\ndynamic_batching { }\n"


def write_repository(model: Path, folder: Path) -> Path:
    """Writes folder/digits with config.pbtxt and 1/model.onnx in it; returns that folder."""
    place = folder / MODEL_NAME
    with atomic.replacing(place / "1" / "model.onnx") as beside:
        shutil.copyfile(model, beside)
    atomic.write_text(place / "config.pbtxt", configuration(has_digitness=Recognizer(model).threshold > 0))
    return place
