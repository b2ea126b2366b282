"""Affine and elastic deformation of a batch of digits, with another pen, on the device, fresh at every step.

A pixel of the new image looks up where it comes from in the old one: an affine map about the
centre, plus a smooth random displacement. Simard's displacement field is white noise smoothed by
a Gaussian. Such a field has no detail finer than the Gaussian, so the noise here is drawn on a
coarse grid and spread by the same Gaussian: 128 random numbers a digit in place of 1,568.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt8

from flaxdigits.contract import CENTRE, SIDE
from flaxdigits.training.config import Deformation
from flaxdigits.training.model import WHITE

GRID = 8  # points of the coarse grid along each side: one every 3.9 pixels

Field = Float[Array, "batch 28 28"]


def deform(
    images: UInt8[Array, "batch 28 28"],
    key: Key[Array, ""],
    amounts: Deformation,
    strength: Float[Array, ""] | None = None,
) -> Field:
    """Bends each image by its own random map, and writes it with its own random pen.

    Args:
        images: what to bend.
        key: decides the maps.
        amounts: how far they go.
        strength: shrinks every displacement and the pen's change by this factor, 0..1; left out, they stay.

    Returns:
        Pixels in 0..255; what comes from outside an image is paper.
    """
    affine_key, elastic_key = jax.random.split(key)
    growth = stroke_growth(jax.random.fold_in(key, 2), len(images), amounts)
    rows, columns = affine_map(affine_key, len(images), amounts)
    down, right = elastic_field(elastic_key, len(images), amounts)
    rows, columns = rows + down, columns + right
    if strength is not None:
        y, x = jnp.arange(SIDE)[:, None], jnp.arange(SIDE)[None, :]
        rows, columns = y + strength * (rows - y), x + strength * (columns - x)
        growth = strength * growth
    bent = sample(images, rows, columns)
    return thicken(bent, growth) if amounts.thickness else bent


def annealed_strength(step: Int[Array, ""], steps: int, anneal: float) -> Float[Array, ""] | None:
    """Returns 1, falling in a straight line to 0 over the last `anneal` of all steps; None where it never falls."""
    return jnp.minimum(1.0, (steps - step) / (anneal * steps)) if anneal else None


def affine_map(key: Key[Array, ""], count: int, amounts: Deformation) -> tuple[Field, Field]:
    """Returns the row and the column that each new pixel comes from: rotated, sheared, scaled, shifted."""
    draw = jax.random.uniform(key, (6, count, 1, 1), minval=-1.0, maxval=1.0)
    angle = jnp.deg2rad(amounts.rotation) * draw[0]
    row_scale, column_scale = jnp.exp(amounts.scale * draw[1]), jnp.exp(amounts.scale * draw[2])
    from_centre = jnp.arange(SIDE) - CENTRE
    y, x = from_centre[:, None], from_centre[None, :]
    rows = (jnp.cos(angle) * y + jnp.sin(angle) * x) * row_scale
    columns = (jnp.cos(angle) * x - jnp.sin(angle) * y) * column_scale + amounts.shear * draw[3] * rows
    return rows + CENTRE + amounts.shift * draw[4], columns + CENTRE + amounts.shift * draw[5]


def elastic_field(key: Key[Array, ""], count: int, amounts: Deformation) -> tuple[Field, Field]:
    """Returns a smooth random displacement down and to the right, each of standard deviation `elastic`."""
    points = jnp.linspace(0, SIDE - 1, GRID)
    spread = jnp.exp(-0.5 * ((jnp.arange(SIDE)[:, None] - points) / amounts.smoothness) ** 2)
    spread /= jnp.linalg.norm(spread, axis=1, keepdims=True)  # the variance of each pixel becomes 1
    noise = jax.random.normal(key, (2, count, GRID, GRID))
    field = amounts.elastic * jnp.einsum("yi,dnij,xj->dnyx", spread, noise, spread)
    return field[0], field[1]


def sample(images: UInt8[Array, "batch 28 28"], rows: Field, columns: Field) -> Field:
    """Reads each image at fractional places, by bilinear interpolation; outside it is 0."""
    padded = jnp.pad(images, ((0, 0), (1, 2), (1, 2)))  # an edge of paper, and a neighbour for its last pixel
    width = padded.shape[2]
    rows, columns = jnp.clip(rows + 1, 0, SIDE + 1), jnp.clip(columns + 1, 0, SIDE + 1)
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = rows - top, columns - left
    place = (top * width + left).astype(jnp.int32).reshape(len(images), -1)
    flat = padded.reshape(len(images), -1)

    def neighbour(offset: int) -> Field:
        found = jnp.take_along_axis(flat, place + offset, axis=1, mode="promise_in_bounds")
        return found.reshape(images.shape).astype(jnp.float32)

    above = neighbour(0) * (1 - right) + neighbour(1) * right
    below = neighbour(width) * (1 - right) + neighbour(width + 1) * right
    return above * (1 - down) + below * down


def stroke_growth(key: Key[Array, ""], count: int, amounts: Deformation) -> Float[Array, "batch 1 1"]:
    """Returns how much each image's strokes grow on each side, pixels; below 0 they become thinner."""
    return jax.random.uniform(key, (count, 1, 1), minval=-amounts.thickness / 2, maxval=amounts.thickness)


def thicken(pixels: Field, growth: Float[Array, "batch 1 1"]) -> Field:
    """Lets strokes grow by up to 2 pixels a side, or shrink by up to 1; parts of a pixel are mixed."""
    once = dilated(pixels)
    thinner = pixels + growth * (pixels - eroded(pixels))
    thicker = pixels + jnp.clip(growth, 0, 1) * (once - pixels) + jnp.clip(growth - 1, 0, 1) * (dilated(once) - once)
    return jnp.where(growth < 0, thinner, thicker)


def dilated(pixels: Field) -> Field:
    """Returns the darkest ink of each pixel and its four neighbours; beyond the edge is paper.

    As windows: written as shifted copies, XLA computes the bent image anew for each copy, eight times as slow.
    """
    largest = partial(lax.reduce_window, pixels, 0.0, lax.max, window_strides=(1, 1, 1), padding="SAME")
    return jnp.maximum(largest((1, 3, 1)), largest((1, 1, 3)))


def eroded(pixels: Field) -> Field:
    """Returns the lightest of each pixel and its four neighbours."""
    return WHITE - dilated(WHITE - pixels)
