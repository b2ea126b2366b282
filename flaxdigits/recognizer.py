"""Recognizer: an ONNX model that keeps the contract; pixels in, digits and probabilities out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from flaxdigits.contract import INPUT, OUTPUTS, Tensor, breach, is_pixels
from flaxdigits.errors import DataError, ModelError
from flaxdigits.onnx_file import OnnxFile
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
        model: an .onnx file or a run directory; the shipped model where left out.

    Attributes:
        path: the .onnx file.
        metadata: what the file says of itself, all strings.

    Raises:
        RunError: where there is no such model.
        ModelError: where the file is no ONNX model, or breaks the contract.
    """

    def __init__(self, model: Path | str | None = None) -> None:
        self.path = find_model(model)
        _refuse(self.path, OnnxFile.read(self.path).breaches())
        self._session = open_session(self.path)
        _refuse(self.path, find_breaches(self._session))
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
            ModelError: where the model cannot be run after all.
        """
        if not is_pixels(images):
            raise DataError(f"expected pixels as uint8 [n, 28, 28], got {images.dtype} {list(images.shape)}")
        starts = range(0, max(len(images), 1), batch)
        answers = [self._read(images[start : start + batch]) for start in starts]
        return Answer(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))

    def _read(self, batch: np.ndarray) -> Answer:
        names = [tensor.name for tensor in OUTPUTS]
        try:
            return Answer(*self._session.run(names, {INPUT.name: batch}))
        except Exception as error:  # onnxruntime's exceptions have no common parent but this
            raise ModelError(f"{self.path}: onnxruntime cannot run it: {_reason(error)}") from error


def _refuse(path: Path, breaches: list[str]) -> None:
    if breaches:
        raise ModelError(f"{path}: breaks the contract: {'; '.join(breaches)}")


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Loads a model on the fastest device that this onnxruntime knows.

    Raises:
        ModelError: with onnxruntime's reason, where it cannot.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; on standard error they would come twice
    faster = [p for p in ("CUDAExecutionProvider",) if p in onnxruntime.get_available_providers()]
    providers = [*faster, "CPUExecutionProvider"]
    try:
        # Falling back from CPU to CPU would print onnxruntime's error among the results.
        session = onnxruntime.InferenceSession(path, options, providers, enable_fallback=bool(faster))
        _ = session.get_modelmeta().custom_metadata_map  # text that is no UTF-8 fails when it is first read
        _ = [str(node) for node in (*session.get_inputs(), *session.get_outputs())]
        return session
    except Exception as error:  # onnxruntime's exceptions have no common parent but this
        raise ModelError(f"{path}: not an ONNX model that onnxruntime can load: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())


def find_breaches(session: onnxruntime.InferenceSession) -> list[str]:
    """Says in what the inputs and outputs of a model break the contract; empty where they keep it."""
    inputs = {t.name: t for t in map(_tensor, session.get_inputs())}
    outputs = {t.name: t for t in map(_tensor, session.get_outputs())}
    if inputs.keys() != {INPUT.name}:
        return [f"expected one input, {INPUT}, got {_listed(inputs)}"]
    shape = session.get_inputs()[0].shape
    if not shape or isinstance(shape[0], int):
        return [f"expected {INPUT}, got {INPUT.name} {inputs[INPUT.name].dtype} {shape}"]
    absent = [f"expected output {wanted}, got {_listed(outputs)}" for wanted in OUTPUTS if wanted.name not in outputs]
    found = inputs | outputs
    return absent or [broken for wanted in (INPUT, *OUTPUTS) if (broken := breach(wanted, found[wanted.name]))]


def _tensor(node: onnxruntime.NodeArg) -> Tensor:
    return Tensor(node.name, node.type, tuple(node.shape[1:]))


def _listed(tensors: dict[str, Tensor]) -> str:
    return "; ".join(map(str, tensors.values())) or "none"
