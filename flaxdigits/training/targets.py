"""What a network is to answer: the labels, or what a teacher says."""

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Float16, Int, UInt8

from flaxdigits.contract import CLASSES
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.network import Network, forward

Answers = Float16[Array, "lessons batch 10"]


def label_targets(labels: UInt8[Array, " batch"], smoothing: float) -> Float[Array, "batch 10"]:
    """Returns 1 at the label, all of it smoothed toward a tenth everywhere (C. Szegedy et al. 2016)."""
    return optax.smooth_labels(jax.nn.one_hot(labels, CLASSES), smoothing)


def ask(teacher: Network, pixels: Float[Array, "batch 28 28"], temperature: float) -> Float[Array, "batch 10"]:
    """Returns a teacher's probabilities for these very pixels, its logits divided by the temperature.

    References:
        G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    logits = forward(teacher.graph, teacher.params, pixels).mean(axis=0)
    return jax.nn.softmax(logits / temperature)


def no_answers(config: TrainConfig, steps_per_epoch: int) -> Answers | None:
    """Returns room for a teacher's answers to all lessons, NaN so far; None where lessons do not come again."""
    lessons = config.lesson_epochs * steps_per_epoch
    return jnp.full((lessons, config.batch_size, CLASSES), jnp.nan, jnp.float16) if lessons else None


def ask_once(
    teacher: Network, pixels: Float[Array, "batch 28 28"], answers: Answers, step: Int[Array, ""], temperature: float
) -> tuple[Float[Array, "batch 10"], Answers]:
    """Returns what the teacher says of a lesson, by asking it where the answer is not known yet, and all answers."""
    lesson = step % len(answers)
    said = lax.cond(
        jnp.isnan(answers[lesson, 0, 0]),
        lambda: ask(teacher, pixels, temperature).astype(answers.dtype),
        lambda: answers[lesson],
    )
    return said.astype(jnp.float32), answers.at[lesson].set(said)
