"""Recognizer: an ONNX model that satisfies the contract; pixels in, digits and probabilities out."""

import os
import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from flaxdigits.convention import is_images
from flaxdigits.data.source import read_all
from flaxdigits.errors import DataError, ModelError
from flaxdigits.inference import shipped
from flaxdigits.inference.contract import (
    DIGIT,
    DIGITNESS,
    INPUT,
    OUTPUTS,
    PROBABILITIES,
    THRESHOLD,
    find_violations,
    find_wrong_answer,
)

Provider = str | tuple[str, dict[str, str]]  # name, or name and options

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})  # TF32 rounds to 10 bits, more than the contract's tolerance
EXTERNAL_DATA_FOLDER = "session.model_external_initializers_file_folder_path"
MOST_BYTES = 2**31  # of a file; protobuf reads no larger ones
# An untrusted file of a few kilobytes can request terabytes, or run forever.
MOST_MEMORY = 2**32  # bytes of CPU memory for all models of a process: the largest file fits twice, stored and packed
DEADLINE = 300.0  # seconds, for one call of a model
KNOWN_OUTPUTS = [tensor.name for tensor in (*OUTPUTS, DIGITNESS)]
BATCH = 1000  # digits per call; the largest activation of the reference network then takes 12 MB


class Prediction(NamedTuple):
    """The predictions of a model for n digits.

    Attributes:
        digits: int64 [n], the most probable digit of each.
        probabilities: float32 [n, 10], each row sums to 1.
        digitness: float32 [n], 1 = surely a digit, 0 = surely not one; 1 from a model without this output.
    """

    digits: np.ndarray
    probabilities: np.ndarray
    digitness: np.ndarray

    @property
    def confidences(self) -> np.ndarray:
        """The probability of the predicted digit, float32 [n]."""
        return self.probabilities[np.arange(len(self.digits)), self.digits]


class Recognizer:
    """Reads digits with an ONNX model that satisfies the contract, on onnxruntime alone.

    Args:
        model: an .onnx file or its bytes; the shipped model by default. Weights in a second file are not loaded.
        providers: onnxruntime's execution providers, such as `CPU`; by default CUDA, without TF32, if this
            onnxruntime has it, then the CPU.
        threads: CPU threads per call; by default one per core. A server that answers several requests at once
            should set 1.

    Attributes:
        name: the path, as given; "model" for bytes.
        content: the file's bytes.
        metadata: the file's metadata_props, all strings.
        threshold: of digitness, contract.THRESHOLD; 0 for a model without that output.

    Raises:
        ModelError: if there is no such file, it is not an ONNX model, or it breaks the contract.
    """

    def __init__(
        self,
        model: Path | str | bytes | None = None,
        providers: Sequence[Provider] | None = None,
        threads: int | None = None,
    ) -> None:
        if isinstance(model, bytes):
            self.name, self.content = "model", model
        else:
            path = shipped.MODEL if model is None else Path(model)
            self.name, self.content = str(path), read_model(path)
        self._session = open_session(self.content, self.name, providers, threads)
        violations = find_violations(self._session.get_inputs(), self._session.get_outputs())
        if violations:
            raise ModelError(f"{self.name}: breaks the contract: {'; '.join(violations)}")
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._outputs = [tensor.name for tensor in self._session.get_outputs() if tensor.name in KNOWN_OUTPUTS]
        self.threshold = THRESHOLD if DIGITNESS.name in self._outputs else 0.0

    def __repr__(self) -> str:
        return f"<Recognizer {self.name}>"

    def __call__(self, images: np.ndarray, batch: int = BATCH) -> Prediction:
        """Reads digits.

        Args:
            images: uint8 [n, 28, 28], 0 = paper, 255 = ink; n may be 0.
            batch: digits per call of the model; a prediction does not depend on it. All calls of a process share
                4 GiB of memory.

        Raises:
            DataError: for any other shape or dtype.
            ModelError: if onnxruntime fails to run the model, or its answer breaks the contract.
        """
        if not is_images(images):
            found = f"{images.dtype} {list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
            raise DataError(f"expected pixels as uint8 [n, 28, 28], got {found}")
        starts = range(0, max(len(images), 1), batch)
        parts = [self._read(images[start : start + batch]) for start in starts]
        return Prediction(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _read(self, images: np.ndarray) -> Prediction:
        try:
            found = dict(zip(self._outputs, self._run(images), strict=True))
        except Exception as error:  # onnxruntime's exceptions have no common parent but this
            raise ModelError(f"{self.name}: onnxruntime cannot run it: {_one_line(error)}") from error
        wrong = find_wrong_answer(found, len(images))
        if wrong:
            raise ModelError(f"{self.name}: breaks the contract when it is run: {wrong}")
        digitness = found.get(DIGITNESS.name, np.ones(len(images), np.float32))
        return Prediction(found[DIGIT.name], found[PROBABILITIES.name], digitness)

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        """Runs the model; after DEADLINE it is terminated as soon as the running operator has finished."""
        options = onnxruntime.RunOptions()
        _start_watching()
        _running[id(options)] = time.monotonic() + DEADLINE, options
        try:
            return self._session.run(self._outputs, {INPUT.name: images}, options)
        except Exception as error:  # onnxruntime's own only says that a flag was set
            if options.terminate:
                raise TimeoutError(f"ended after {DEADLINE:.0f} s; a smaller batch takes less") from error
            raise
        finally:
            del _running[id(options)]


_running: dict[int, tuple[float, onnxruntime.RunOptions]] = {}  # the calls of this process, and their deadlines


@cache
def _start_watching() -> None:
    """Starts the thread that terminates calls; one for all, since starting one takes as long as reading a digit."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(min(1.0, DEADLINE / 4))
        for end, options in list(_running.values()):
            if time.monotonic() > end:
                options.terminate = True


if hasattr(os, "register_at_fork"):  # a forked process has no thread but the one that forked
    os.register_at_fork(after_in_child=_start_watching.cache_clear)


def read_model(path: Path) -> bytes:
    """Reads a model file.

    Raises:
        ModelError: if it cannot be read.
    """
    hint = "expected an .onnx file"
    try:
        with path.open("rb") as file:
            return read_all(file, MOST_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", hint) from error
    except ValueError as error:
        raise ModelError(f"{path}: {error}", hint) from error


def open_session(
    content: bytes, name: str, providers: Sequence[Provider] | None = None, threads: int | None = None
) -> onnxruntime.InferenceSession:
    """Loads a model.

    Args:
        content: the bytes of the file.
        name: its name in messages.
        providers: as for `Recognizer`.
        threads: as for `Recognizer`.

    Raises:
        ModelError: with onnxruntime's reason, if it cannot load the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0 means one thread per core
    options.log_severity_level = 4  # errors are raised as exceptions; on standard error they would appear twice
    # For a model given as bytes, onnxruntime reads external data from the working directory. This path cannot exist.
    options.add_session_config_entry(EXTERNAL_DATA_FOLDER, str(Path(__file__, "none")))
    limit_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    faster = (CUDA,) if CUDA[0] in onnxruntime.get_available_providers() else ()
    chosen = (*faster, *CPU) if providers is None else tuple(providers)
    try:
        # Falling back from CPU to CPU would print onnxruntime's error among the results.
        session = onnxruntime.InferenceSession(content, options, chosen, enable_fallback=chosen != CPU)
        _ = session.get_modelmeta().custom_metadata_map  # text that is not UTF-8 fails when it is first read
        _ = [str(node) for node in (*session.get_inputs(), *session.get_outputs())]
        return session
    except Exception as error:  # onnxruntime's exceptions have no common parent but this
        raise ModelError(f"{name}: not an ONNX model that onnxruntime can load: {_one_line(error)}") from error


@cache
def limit_memory() -> None:
    """Registers the allocator for this process's models, which is limited to MOST_MEMORY."""
    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    place = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use)
    onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY}))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
