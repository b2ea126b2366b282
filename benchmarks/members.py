"""What training a committee at once gains over training its members one after the other, in digits a second."""

import time

import jax

from benchmarks.tables import print_header, print_row
from flaxdigits import TrainConfig, load
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.state import init_state
from flaxdigits.training.step import TrainingSet, make_advance

STACKS = ((64, 32), (256, 128), (1280, 1024, 512))
MEMBERS = 4
STEPS = 10


def main() -> None:
    print_header("stack", "one network, digits/s", f"{MEMBERS} at once, digits/s of all together", "ratio")
    for hidden in STACKS:
        config = TrainConfig(hidden=hidden)
        one, together = rate(config), rate(config.changed(members=MEMBERS))
        print_row("-".join(map(str, hidden)), f"{one:,.0f}", f"{together:,.0f}", f"{together / one:.2f}")


def rate(config: TrainConfig) -> float:
    """Returns how many digits a second are learned, each member's counted, over the best of three slices."""
    digits = load()
    steps_per_epoch = -(-len(digits) // config.batch_size)
    advance = make_advance(config, steps_per_epoch, make_mesh("auto", config.batch_size))
    arrays = TrainingSet(*jax.device_put((digits.images, digits.known_labels())))
    state, seconds = init_state(config, steps_per_epoch), []
    for index in range(5):
        began = time.perf_counter()
        state = jax.block_until_ready(advance(state, arrays, index * STEPS, (index + 1) * STEPS))
        seconds.append(time.perf_counter() - began)
    return config.members * config.batch_size * STEPS / min(seconds[2:])  # the first two compile
