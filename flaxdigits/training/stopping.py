"""Requests to stop training, by the caller or by Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flaxdigits.training.setup import ShouldStop


class Stop:
    """Whether training was asked to stop, by the caller or by Ctrl-C."""

    def __init__(self, should_stop: ShouldStop | None) -> None:
        self._should_stop = should_stop or (lambda: False)
        self._interrupted = False

    def __call__(self) -> bool:
        """Returns whether to stop."""
        return self._interrupted or self._should_stop()

    @contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Makes Ctrl-C, as in a notebook, stop training after the current slice of work, and a second one at once.

        An exception raised while JAX compiles or computes would be lost, or crash.
        """
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def interrupt(*_: object) -> None:
            self._interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
