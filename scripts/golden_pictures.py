"""Writes exports/golden/pictures: pictures of digits, and the 28x28 pixels to which each is normalized.

Tests compare every implementation of flaxdigits/pictures with these, such as the page in exports/web.
"""

import json

import numpy as np
from PIL import Image

from flaxdigits import atomic, load, read_picture
from flaxdigits.inference.shipped import GOLDEN

SIZE = 240


def main() -> None:
    folder = GOLDEN / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    blank = {"blank": np.full((100, 160), 255), "blank-transparent": np.zeros((60, 60, 4)), "blank-faint": faint()}
    pictures = make_pictures(load("mnist-test").images)
    for name, pixels in (pictures | blank).items():
        Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(folder / f"{name}.png", optimize=True)
    files = [f"pictures/{name}.png" for name in pictures]
    expected = np.stack([read_picture(GOLDEN / file) for file in files])
    with atomic.replacing(GOLDEN / "pictures.bin") as beside:
        beside.write_bytes(expected.tobytes())
    blanks = [f"pictures/{name}.png" for name in blank]
    description = {"shape": list(expected.shape), "pixels": "pictures.bin", "pictures": files, "blank": blanks}
    atomic.write_text(GOLDEN / "pictures.json", json.dumps(description, indent=1) + "\n")
    print(f"{len(files)} pictures and {len(blanks)} blank ones in {folder}")


def make_pictures(digits: np.ndarray) -> dict[str, np.ndarray]:
    """Returns pictures by name, [height, width] or [height, width, channels], 0..255, from uint8 [n, 28, 28]."""
    rng = np.random.default_rng(0)
    ink = [on_sheet(digit, 200, 20, 20) for digit in digits[:16]]
    across, down = np.meshgrid(*[np.linspace(-0.5, 0.5, SIZE)] * 2)
    noise = rng.normal(0, 5, (6, SIZE, SIZE))
    ruled = np.where(np.arange(SIZE)[:, None] % 30 < 2, 0.75, 1)
    colour = np.array([180, 60, 20])
    return {
        "mnist-itself": digits[0],
        "mnist-inverted": 255 - digits[1],
        "mnist-not-centred": np.roll(digits[2], (-3, 4), (0, 1)),
        "dark-on-light": 255 - 255 * ink[3],
        "light-on-dark": 255 * ink[4],
        "in-a-corner": 255 - 255 * on_sheet(digits[5], 90, 5, 140),
        "small": 255 - np.asarray(Image.fromarray(digits[6]).resize((17, 23))),
        "wide": 255
        - np.pad(np.asarray(Image.fromarray(digits[7]).resize((90, 60))), ((5, 5), (200, 20))).astype(float),
        "colour": 255 - ink[8][..., None] * (255 - colour),
        "colour-on-colour": 200 - ink[9][..., None] * colour * [-0.3, 1, 2],
        "dark-strokes-on-nothing": np.dstack([np.zeros((SIZE, SIZE, 3)), np.rint(ink[10]) * 255]),
        "light-strokes-on-nothing": np.dstack([np.full((SIZE, SIZE, 3), 255), np.rint(ink[11]) * 255]),
        "cropped": 255 - 255 * crop(on_sheet(digits[12], 200, 20, 20)),
        "noisy": 200 - 150 * ink[13] + noise[0] / 2,
        "photo-lamp": 190 * (1 + 0.6 * across) * (1 - 0.7 * ink[14]) + noise[1],
        "photo-shadow": 200 * (1 - 0.4 / (1 + np.exp(-12 * (across + down)))) * (1 - 0.7 * ink[15]) + noise[2],
        "photo-ruled": 200 * ruled * (1 - 0.7 * ink[1]) + noise[3],
        "photo-chalk": 60 * (1 + 0.8 * across) + 150 * ink[2] + noise[4],
    }


def on_sheet(digit: np.ndarray, size: int, top: int, left: int) -> np.ndarray:
    """Returns a digit upscaled to `size` on a sheet, float [SIZE, SIZE], 0 paper .. 1 ink."""
    sheet = np.zeros((SIZE, SIZE))
    drawn = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    sheet[top : top + size, left : left + size] = np.asarray(drawn) / 255
    return sheet


def crop(ink: np.ndarray) -> np.ndarray:
    """Crops a sheet to the bounding box of its ink."""
    rows, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def faint() -> np.ndarray:
    """Returns a picture of a spot too faint to be ink."""
    return np.where(np.hypot(*np.mgrid[-40:40, -40:40]) < 15, 235, 250)


if __name__ == "__main__":
    main()
