"""Augmentation of a batch of digits on the device: affine, elastic, stroke width; drawn anew at every step.

Each output pixel is sampled from a source position: an affine map about the centre, plus a smooth random
displacement. Simard's displacement field is white noise smoothed by a Gaussian. Such a field has no detail
finer than the Gaussian, so the noise is drawn on a coarse grid and interpolated by the same Gaussian: 128
random numbers per digit instead of 1,568.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt8

from flaxdigits.convention import CENTRE, INK, SIDE
from flaxdigits.training.config import Augmentation

GRID = 8  # points of the coarse grid along each side: one every 3.9 pixels

Field = Float[Array, "batch 28 28"]


def augment(
    images: UInt8[Array, "batch 28 28"],
    key: Key[Array, ""],
    ranges: Augmentation,
    strength: Float[Array, ""] | float = 1.0,
) -> Field:
    """Returns the images, each under its own random transformation.

    Args:
        images: the digits.
        key: of the random numbers.
        ranges: of the transformations.
        strength: factor of all displacements and of the stroke width's change, 0..1.

    Returns:
        Pixels in 0..255; positions outside an image are paper.
    """
    affine_key, elastic_key, stroke_key = jax.random.split(key, 3)
    rows, columns = affine_map(affine_key, len(images), ranges)
    down, right = elastic_field(elastic_key, len(images), ranges)
    y, x = jnp.arange(SIDE)[:, None], jnp.arange(SIDE)[None, :]
    pixels = sample(images, y + strength * (rows + down - y), x + strength * (columns + right - x))
    if not ranges.stroke_width:
        return pixels
    return grow_strokes(pixels, strength * stroke_growth(stroke_key, len(images), ranges))


def annealed_strength(step: Int[Array, ""], steps: int, anneal: float) -> Float[Array, ""] | float:
    """Returns 1, falling linearly to 0 over the last share `anneal` of all steps."""
    return jnp.minimum(1.0, (steps - step) / (anneal * steps)) if anneal else 1.0


def affine_map(key: Key[Array, ""], count: int, ranges: Augmentation) -> tuple[Field, Field]:
    """Returns the source row and column of each pixel under a random rotation, shear, scale and shift."""
    draw = jax.random.uniform(key, (6, count, 1, 1), minval=-1.0, maxval=1.0)
    angle = jnp.deg2rad(ranges.rotation) * draw[0]
    row_scale, column_scale = jnp.exp(ranges.scale * draw[1]), jnp.exp(ranges.scale * draw[2])
    from_centre = jnp.arange(SIDE) - CENTRE
    y, x = from_centre[:, None], from_centre[None, :]
    rows = (jnp.cos(angle) * y + jnp.sin(angle) * x) * row_scale
    columns = (jnp.cos(angle) * x - jnp.sin(angle) * y) * column_scale + ranges.shear * draw[3] * rows
    return rows + CENTRE + ranges.shift * draw[4], columns + CENTRE + ranges.shift * draw[5]


def elastic_field(key: Key[Array, ""], count: int, ranges: Augmentation) -> tuple[Field, Field]:
    """Returns a smooth random displacement down and to the right, each with standard deviation `elastic`."""
    points = jnp.linspace(0, SIDE - 1, GRID)
    weights = jnp.exp(-0.5 * ((jnp.arange(SIDE)[:, None] - points) / ranges.elastic_sigma) ** 2)
    weights /= jnp.linalg.norm(weights, axis=1, keepdims=True)  # the variance of each pixel becomes 1
    noise = jax.random.normal(key, (2, count, GRID, GRID))
    field = ranges.elastic * jnp.einsum("yi,dnij,xj->dnyx", weights, noise, weights)
    return field[0], field[1]


def sample(images: UInt8[Array, "batch 28 28"], rows: Field, columns: Field) -> Field:
    """Returns each image at fractional positions, by bilinear interpolation; 0 outside of it."""
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


def stroke_growth(key: Key[Array, ""], count: int, ranges: Augmentation) -> Float[Array, "batch 1 1"]:
    """Returns by how many pixels each image's strokes grow on each side; they shrink where it is negative."""
    return jax.random.uniform(key, (count, 1, 1), minval=-ranges.stroke_width / 2, maxval=ranges.stroke_width)


def grow_strokes(pixels: Field, growth: Float[Array, "batch 1 1"]) -> Field:
    """Returns strokes grown by up to 2 pixels on each side, or shrunk by up to 1; fractions are interpolated."""
    once = dilated(pixels)
    thinner = pixels + growth * (pixels - eroded(pixels))
    thicker = pixels + jnp.clip(growth, 0, 1) * (once - pixels) + jnp.clip(growth - 1, 0, 1) * (dilated(once) - once)
    return jnp.where(growth < 0, thinner, thicker)


def dilated(pixels: Field) -> Field:
    """Returns the maximum of each pixel and its four neighbours; outside an image is paper.

    By `reduce_window`: of shifted copies XLA would recompute the sampled image for each, eight times as slow.
    """
    largest = partial(lax.reduce_window, pixels, 0.0, lax.max, window_strides=(1, 1, 1), padding="SAME")
    return jnp.maximum(largest((1, 3, 1)), largest((1, 1, 3)))


def eroded(pixels: Field) -> Field:
    """Returns the minimum of each pixel and its four neighbours."""
    return INK - dilated(INK - pixels)
