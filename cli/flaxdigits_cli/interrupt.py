"""Ctrl-C, SIGTERM and SIGHUP during training."""

import signal
from contextlib import suppress
from typing import Self

from flaxdigits_cli.show import note

STOPS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
    STOPS.append(signal.SIGHUP)  # of a terminal that was closed, or a connection that was lost
received = signal.SIGTERM  # the latest of these; of a process that was stopped by another one's, as by a scheduler


def exit_code() -> int:
    """Returns the exit code after a signal, as in shells: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + received


class Interrupt:
    """Handles these signals as requests to stop: after the first, the step finishes and the state is saved.

    A second one ends the process at once. It is left to the system: an exception raised while JAX compiles or
    computes would be lost, or crash.
    """

    def __enter__(self) -> Self:
        self._asked = False
        self._before = {kind: signal.signal(kind, self._ask) for kind in STOPS}
        return self

    def __exit__(self, *_: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def asked(self) -> bool:
        """Returns whether a signal has arrived."""
        return self._asked

    def _ask(self, kind: int, _: object) -> None:
        global received
        self._asked, received = True, signal.Signals(kind)
        for kind in STOPS:  # a closed terminal may send SIGHUP more than once
            signal.signal(kind, signal.SIG_DFL if kind in (signal.SIGINT, signal.SIGTERM) else signal.SIG_IGN)
        # Ctrl-C in `train 2>&1 | tee log` ends tee too, and a signal may arrive while standard error is written to.
        with suppress(OSError, RuntimeError):
            note("stopping after this step and saving; Ctrl-C again stops at once")
