"""Affine and elastic deformation of a batch of digits, on the device, fresh at every step.

A pixel of the new image looks up where it comes from in the old one: an affine map about the
centre, plus a smooth random displacement. Simard's displacement field is white noise smoothed by
a Gaussian. Such a field has no detail finer than the Gaussian, so the noise here is drawn on a
coarse grid and spread by the same Gaussian: 128 random numbers a digit in place of 1,568.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, UInt8

from flaxdigits.contract import SIDE
from flaxdigits.training.config import Deformation

CENTRE = SIDE / 2  # where MNIST puts the centre of mass, pixels from 0
GRID = 8  # points of the coarse grid along each side: one every 3.9 pixels

Field = Float[Array, "batch 28 28"]


def deform(
    images: UInt8[Array, "batch 28 28"],
    key: Key[Array, ""],
    amounts: Deformation,
    strength: Float[Array, ""] | None = None,
) -> Field:
    """Bends each image by its own random map.

    Args:
        images: what to bend.
        key: decides the maps.
        amounts: how far they go.
        strength: shrinks every displacement by this factor, 0..1; left out, they stay.

    Returns:
        Pixels in 0..255; what comes from outside an image is paper.
    """
    affine_key, elastic_key = jax.random.split(key)
    rows, columns = affine_map(affine_key, len(images), amounts)
    down, right = elastic_field(elastic_key, len(images), amounts)
    rows, columns = rows + down, columns + right
    if strength is not None:
        y, x = jnp.arange(SIDE)[:, None], jnp.arange(SIDE)[None, :]
        rows, columns = y + strength * (rows - y), x + strength * (columns - x)
    return sample(images, rows, columns)


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
