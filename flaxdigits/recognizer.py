"""Recognizer: an ONNX model that keeps the contract; pixels in, digits and probabilities out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from flaxdigits.contract import INPUT, OUTPUTS, Tensor, breach, is_pixels
from flaxdigits.errors import DataError, ModelError
from flaxdigits.runs import find_model

BATCH = 1000  # digits a call; keeps the largest activation of the reference stack at 12 MB


class Answer(NamedTuple):
    """What a model says of n digits.

    Attributes:
        digits: int64 [n], the most probable digit of each.
        probabilities: float32 [n, 10], each row sums to 1.
    """

    digits: np.ndarray
    probabilities: np.ndarray

    @property
    def confidences(self) -> np.ndarray:
        """The probability of the digit that was answered, float32 [n]."""
        return self.probabilities.max(axis=1)


class Recognizer:
    """Reads digits with an ONNX model that keeps the contract, on onnxruntime alone.

    Args:
        model: an .onnx file or a run directory; runs/latest where left out.

    Attributes:
        path: the .onnx file.
        metadata: what the file says of itself, all strings.

    Raises:
        RunError: where there is no such model.
        ModelError: where the file is no ONNX model, or breaks the contract.
    """

    def __init__(self, model: Path | str | None = None) -> None:
        self.path = find_model(model)
        self._session = _open(self.path)
        _check(self._session, self.path)
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __repr__(self) -> str:
        return f"<Recognizer {self.path}>"

    def __call__(self, images: np.ndarray, batch: int = BATCH) -> Answer:
        """Reads digits.

        Args:
            images: uint8 [n, 28, 28], 0 = paper, 255 = ink; n may be any number, 0 as well.
            batch: how many digits the model is given at once; an answer does not depend on it.

        Raises:
            DataError: for any other shape or dtype.
        """
        if not is_pixels(images):
            raise DataError(f"expected pixels as uint8 [n, 28, 28], got {images.dtype} {list(images.shape)}")
        starts = range(0, max(len(images), 1), batch)
        answers = [self._read(images[start : start + batch]) for start in starts]
        return Answer(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))

    def _read(self, batch: np.ndarray) -> Answer:
        names = [tensor.name for tensor in OUTPUTS]
        return Answer(*self._session.run(names, {INPUT.name: batch}))


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; on standard error they would come twice
    providers = [p for p in ("CUDAExecutionProvider",) if p in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(path, options, [*providers, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common parent but this
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: not an ONNX model that onnxruntime can load: {reason}") from error


def _check(session: onnxruntime.InferenceSession, path: Path) -> None:
    """Holds what the session takes and gives against the contract."""
    inputs = {t.name: t for t in map(_tensor, session.get_inputs())}
    outputs = {t.name: t for t in map(_tensor, session.get_outputs())}
    if inputs.keys() != {INPUT.name}:
        raise ModelError(f"{path}: breaks the contract: expected one input, {INPUT}, got {_listed(inputs)}")
    batch = session.get_inputs()[0].shape[0]
    if isinstance(batch, int):
        fixed = str(inputs[INPUT.name]).replace("batch", str(batch))
        raise ModelError(f"{path}: breaks the contract: expected {INPUT}, got {fixed}")
    for expected in (INPUT, *OUTPUTS):
        found = (inputs | outputs).get(expected.name)
        broken = f"expected output {expected}, got {_listed(outputs)}" if found is None else breach(expected, found)
        if broken:
            raise ModelError(f"{path}: breaks the contract: {broken}")


def _tensor(node: onnxruntime.NodeArg) -> Tensor:
    return Tensor(node.name, node.type, tuple(node.shape[1:]))


def _listed(tensors: dict[str, Tensor]) -> str:
    return "; ".join(map(str, tensors.values())) or "none"
