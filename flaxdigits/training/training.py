"""Training: a training run as an iterator over its epochs."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self
from weakref import WeakSet

from flaxdigits.runs import Run
from flaxdigits.training.convolution import pretrained_params
from flaxdigits.training.devices import describe
from flaxdigits.training.epochs import train
from flaxdigits.training.finetuning import initial_weights, to_params
from flaxdigits.training.history import EpochReport
from flaxdigits.training.model import Params
from flaxdigits.training.precision import needs_newer_jax
from flaxdigits.training.processes import is_first
from flaxdigits.training.setup import OnProgress, Setup, ShouldStop
from flaxdigits.training.stopping import Stop

FASTER_WITH_NEWER_JAX = (
    "this processor trains faster in bfloat16, with JAX 0.12 or newer, which needs Python 3.12 or newer"
)
OPEN: "WeakSet[Training]" = WeakSet()  # closed at exit, while modules can still be used


@atexit.register
def close_all() -> None:
    """Closes every `Training` that is still open."""
    with ExitStack() as stack:  # which calls all of them, whatever one raises
        for training in list(OPEN):
            stack.callback(training.close)


def first_params(setup: Setup, on_progress: OnProgress, should_stop: ShouldStop) -> Params | None:
    """Returns the parameters before the first step, None for random ones."""
    weights = initial_weights(setup.config)
    return to_params(weights) if weights else pretrained_params(setup, on_progress, should_stop)


class Training(Iterator[EpochReport]):
    """A training run, which advances as it is iterated over; `len` is the number of remaining epochs.

    If it ends early, its state is saved when it is closed: by a `with` statement, by `close`, or when it is no longer
    referenced, as after a `break` out of `for report in flaxdigits.fit(digits)`.

    Attributes:
        run: the run directory as it was given; a relative path is relative to the working directory at that time.
        config: the configuration.
        devices: a description, such as "2 gpu (NVIDIA H200)".
        advice: what would make the training faster; empty if nothing is known.
        step: steps taken at the latest checkpoint or epoch.
        is_first: whether this is the first or only process, the one that writes the run.
    """

    def __init__(
        self,
        run: Run,
        setup: Setup,
        begin: Callable[[], None],
        latest: Callable[[], int],
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
    ) -> None:
        self.run, self.config, self.devices, self.step = run, setup.config, describe(setup.mesh), latest()
        self.advice = FASTER_WITH_NEWER_JAX if needs_newer_jax(setup.mesh) else ""
        self.is_first, self._begun = is_first(), False
        self._steps_per_epoch, self._latest = setup.steps_per_epoch, latest
        self._stop = Stop(should_stop)
        watch = (on_progress or (lambda _: None), self._stop)
        # If the generator referenced this object, only the garbage collector would close it, anywhere and at any time.
        self._epochs = train(setup, begin, lambda: first_params(setup, *watch), *watch)
        OPEN.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EpochReport:
        with self._stop.on_interrupt():
            report = next(self._epochs)
        self.step, self._begun = report.step, True
        return report

    def __len__(self) -> int:
        if not self._begun:  # an earlier Training of this run may have saved its state since
            self.step = self._latest()
        return self.config.epochs - self.step // self._steps_per_epoch

    def close(self) -> None:
        """Saves the state and ends the training."""
        self._epochs.close()
