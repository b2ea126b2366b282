"""Prediction speed: the median of repeated calls, with onnxruntime's default threads."""

import statistics
import time

from flaxdigits import Recognizer, load

CALLS = 300  # for one digit
BATCHES = 30  # of 1,000 digits


def seconds_a_call(recognizer: Recognizer, batch: int, calls: int) -> float:
    images = load("mnist-test").images[:batch]
    times = []
    for _ in range(calls + 5):
        began = time.perf_counter()
        recognizer(images)
        times.append(time.perf_counter() - began)
    return statistics.median(times[5:])  # the first few warm up


def latency(recognizer: Recognizer) -> float:
    """Returns the seconds that one digit takes."""
    return seconds_a_call(recognizer, 1, CALLS)


def throughput(recognizer: Recognizer) -> float:
    """Returns the digits a second in batches of 1,000."""
    return 1000 / seconds_a_call(recognizer, 1000, BATCHES)
