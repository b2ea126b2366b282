"""Augmentation of a batch of digits on the device: affine, elastic, stroke width; redrawn at every step.

Each output pixel is sampled from a source position: an affine map about the centre, plus a smooth random
displacement. Simard's displacement field is white noise smoothed by a Gaussian. Such a field has no detail
finer than the Gaussian, so the noise is drawn on a coarse grid and interpolated by the same Gaussian: 128
random bytes per digit instead of 1,568 normal samples. docs/speed.md lists what each of these tricks gains.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt8, UInt32

from flaxdigits.convention import CENTRE, INK, SIDE
from flaxdigits.training.config import Augmentation

GRID = 8  # points of the coarse grid along each side: one every 3.9 pixels
AFFINE, ELASTIC, STROKE = 6, 2 * GRID**2 // 4, 1  # random 32-bit words for each digit
BYTE_MEAN, BYTE_DEVIATION = 127.5, ((256**2 - 1) / 12) ** 0.5  # of a uniform byte

Field = Float[Array, "batch 28 28"]


def augment(
    images: UInt8[Array, "batch 28 28"],
    key: Key[Array, ""],
    ranges: Augmentation,
    strength: Float[Array, ""] | float = 1.0,
) -> Field:
    """Returns the images, each with its own random transformation.

    Args:
        images: the digits.
        key: the random key.
        ranges: the ranges of the transformations.
        strength: scales all displacements and the change in stroke width, 0..1.

    Returns:
        Pixels in 0..255; positions outside an image are paper.
    """
    affine, elastic, stroke = draw_words(key, len(images))
    rows, columns = affine_map(affine, ranges)
    down, right = elastic_field(elastic, ranges)
    y, x = jnp.arange(SIDE)[:, None], jnp.arange(SIDE)[None, :]
    positions = y + strength * (rows + down - y), x + strength * (columns + right - x)
    pixels = sample(images, *lax.optimization_barrier(positions))  # else XLA recomputes them for each use
    if not ranges.stroke_width:
        return pixels
    return grow_strokes(pixels, strength * stroke_growth(stroke, ranges))


def annealed_strength(step: Int[Array, ""], steps: int, anneal: float) -> Float[Array, ""] | float:
    """Returns 1, falling linearly to 0 over the last fraction `anneal` of all steps."""
    return jnp.minimum(1.0, (steps - step) / (anneal * steps)) if anneal else 1.0


def draw_words(key: Key[Array, ""], count: int) -> tuple[UInt32[Array, "batch words"], ...]:
    """Returns the random words for each digit's affine map, displacement and stroke width.

    All in one draw, since XLA compiles the rounds of threefry again for each draw.
    """
    words = jax.random.bits(key, (count, AFFINE + ELASTIC + STROKE), jnp.uint32)
    return tuple(jnp.split(words, (AFFINE, AFFINE + ELASTIC), axis=1))


def affine_map(words: UInt32[Array, "batch 6"], ranges: Augmentation) -> tuple[Field, Field]:
    """Returns the source row and column of each pixel under a random rotation, shear, scale and shift."""
    draw = uniform(words).T[:, :, None, None]
    angle = jnp.deg2rad(ranges.rotation) * draw[0]
    row_scale, column_scale = jnp.exp(ranges.scale * draw[1]), jnp.exp(ranges.scale * draw[2])
    from_centre = jnp.arange(SIDE) - CENTRE
    y, x = from_centre[:, None], from_centre[None, :]
    rows = (jnp.cos(angle) * y + jnp.sin(angle) * x) * row_scale
    columns = (jnp.cos(angle) * x - jnp.sin(angle) * y) * column_scale + ranges.shear * draw[3] * rows
    return rows + CENTRE + ranges.shift * draw[4], columns + CENTRE + ranges.shift * draw[5]


def elastic_field(words: UInt32[Array, "batch 32"], ranges: Augmentation) -> tuple[Field, Field]:
    """Returns a smooth random displacement down and to the right, each with standard deviation `elastic`."""
    points = np.linspace(0, SIDE - 1, GRID)
    weights = np.exp(-0.5 * ((np.arange(SIDE) - points[:, None]) / ranges.elastic_sigma) ** 2)
    weights /= np.linalg.norm(weights, axis=0)  # the variance of each pixel becomes that of the noise
    windows = ranges.elastic / BYTE_DEVIATION * np.einsum("iy,jx->ijyx", weights, weights).reshape(GRID**2, -1)
    noise = lax.bitcast_convert_type(words, jnp.uint8).reshape(len(words), 2, GRID**2)
    field = ((noise - BYTE_MEAN) @ jnp.asarray(windows, jnp.float32)).reshape(-1, 2, SIDE, SIDE)
    return field[:, 0], field[:, 1]


def sample(images: UInt8[Array, "batch 28 28"], rows: Field, columns: Field) -> Field:
    """Returns each image at fractional positions, by bilinear interpolation; 0 outside it."""
    rows, columns = jnp.clip(rows + 1, 0, SIDE + 1), jnp.clip(columns + 1, 0, SIDE + 1)
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = rows - top, columns - left
    squares = lax.optimization_barrier(pack_squares(images))
    place = (top * squares.shape[2] + left).astype(jnp.int32).reshape(len(images), -1)
    found = jnp.take_along_axis(squares.reshape(len(images), -1), place, axis=1, mode="promise_in_bounds")
    words = lax.optimization_barrier(found.reshape(images.shape))
    corners = [((words >> shift) & INK).astype(jnp.float32) for shift in (0, 8, 16, 24)]
    above = corners[0] * (1 - right) + corners[1] * right
    below = corners[2] * (1 - right) + corners[3] * right
    return above * (1 - down) + below * down


def pack_squares(images: UInt8[Array, "batch 28 28"]) -> UInt32[Array, "batch 30 30"]:
    """Returns the 2x2 pixels at each position of an image padded with paper, in one word: one gather, not four.

    The first pixel is in the lowest byte; positions are those of the padded image.
    """
    padded = jnp.pad(images, ((0, 0), (1, 2), (1, 2)))
    above, below = padded[:, :-1], padded[:, 1:]
    corners = (above[:, :, :-1], above[:, :, 1:], below[:, :, :-1], below[:, :, 1:])
    return lax.bitcast_convert_type(jnp.stack(corners, axis=-1), jnp.uint32)


def stroke_growth(words: UInt32[Array, "batch 1"], ranges: Augmentation) -> Float[Array, "batch 1 1"]:
    """Returns the number of pixels by which each image's strokes grow on each side; negative where they shrink."""
    return ranges.stroke_width * (0.25 + 0.75 * uniform(words))[:, :, None]


def uniform(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns random words as float32 numbers, uniform in -1..1."""
    return lax.bitcast_convert_type(words, jnp.int32).astype(jnp.float32) / 2.0**31


def grow_strokes(pixels: Field, growth: Float[Array, "batch 1 1"]) -> Field:
    """Returns strokes grown by up to 2 pixels on each side, or shrunk by up to 1; fractions are interpolated."""
    once = dilated(pixels)
    thinner = pixels + growth * (pixels - eroded(pixels))
    thicker = pixels + jnp.clip(growth, 0, 1) * (once - pixels) + jnp.clip(growth - 1, 0, 1) * (dilated(once) - once)
    return jnp.where(growth < 0, thinner, thicker)


def dilated(pixels: Field) -> Field:
    """Returns the maximum of each pixel and its four neighbours; outside an image is paper.

    Uses `reduce_window`: with shifted copies, XLA would recompute the sampled image for each, eight times as slow.
    """
    largest = partial(lax.reduce_window, pixels, 0.0, lax.max, window_strides=(1, 1, 1), padding="SAME")
    return jnp.maximum(largest((1, 3, 1)), largest((1, 1, 3)))


def eroded(pixels: Field) -> Field:
    """Returns the minimum of each pixel and its four neighbours."""
    return INK - dilated(INK - pixels)
