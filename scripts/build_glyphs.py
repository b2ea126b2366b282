"""Builds flaxdigits/data/glyphs.npz and benchmarks/glyphs.npz: digits and letters of handwriting fonts.

    python scripts/build_glyphs.py [--cache FOLDER]

The fonts are those of the category "handwriting" in Google Fonts' list under the OFL or Apache 2.0 licence, whose files
`npm pack` fetches from the fontsource project. Each character is drawn at 96 pixels, digits in several slants and
stroke widths, and normalized as `read_picture` does.

A fifth of the families, drawn by the hash of their names, goes to benchmarks/ and is never trained on. Families whose
names begin with the same word, such as Playwrite's 40 school hands, stay together.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import ascii_letters, digits
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from flaxdigits.atomic import replacing
from flaxdigits.data.glyphs import GLYPHS, Glyphs
from flaxdigits.errors import DataError
from flaxdigits.pictures.normalization import to_mnist

ROOT = Path(__file__).parents[1]
HELD_OUT = ROOT / "benchmarks" / "glyphs.npz"
METADATA = "google-font-metadata"
LICENCES = {"SIL Open Font License, 1.1": "OFL-1.1", "Apache License, Version 2.0": "Apache-2.0"}
SIZE = 96  # pixels per em
SHEET = 3 * SIZE  # pixels along each side of the sheet on which a character is drawn
SLANTS = (0.0, -0.25, 0.25)  # pixels sideways per pixel of height
GROWTHS = (0, 2, -1)  # of a stroke on each side, pixels at SIZE


class Family(NamedTuple):
    """A font family and its regular style."""

    name: str
    licence: str
    font: ImageFont.FreeTypeFont


def npm_pack(package: str, cache: Path) -> Path | None:
    """Returns the archive of an npm package, fetched if necessary; None if there is none."""
    folder = cache / package.replace("/", "-").lstrip("@")
    if not list(folder.glob("*.tgz")):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", package, "--silent"], cwd=folder, capture_output=True, check=False)
    return next(folder.glob("*.tgz"), None)


def read_member(archive: Path, ending: str) -> bytes | None:
    """Returns the first file in an archive with this suffix."""
    with tarfile.open(archive) as files:
        for member in files:
            if member.name.endswith(ending):
                found = files.extractfile(member)
                return found.read() if found else None
    return None


def listed_families(cache: Path) -> dict[str, tuple[str, str]]:
    """Returns the name and licence of the handwriting families, keyed by fontsource's package name."""
    archive = npm_pack(METADATA, cache)
    if archive is None:
        sys.exit(f"{METADATA}: npm pack fails")
    fonts, licences = (
        json.loads(read_member(archive, f"data/{name}.json") or "{}") for name in ("google-fonts-v1", "licenses")
    )
    return {
        name: (entry["family"], LICENCES[licences[name]["license"]["type"]])
        for name, entry in sorted(fonts.items())
        if entry["category"] == "handwriting" and licences.get(name, {}).get("license", {}).get("type") in LICENCES
    }


def fetched_families(cache: Path) -> Iterator[Family]:
    """Yields the families that have the characters, fetching four at a time."""
    listed = listed_families(cache)
    with ThreadPoolExecutor(4) as fetchers:
        archives = list(fetchers.map(lambda name: npm_pack(f"@fontsource/{name}", cache), listed))
    for (name, (family, licence)), archive in zip(listed.items(), archives, strict=True):
        content = archive and read_member(archive, "-latin-400-normal.woff2")
        if content:
            path = cache / f"{name}.woff2"
            path.write_bytes(content)
            yield Family(family, licence, ImageFont.truetype(str(path), SIZE))


def drawn(character: str, font: ImageFont.FreeTypeFont, slant: float = 0.0, growth: int = 0) -> np.ndarray:
    """Returns a character in MNIST's form, uint8 [28, 28].

    Raises:
        DataError: if the font draws nothing for it.
    """
    sheet = Image.new("L", (SHEET, SHEET), 255)
    ImageDraw.Draw(sheet).text((SHEET // 2, SHEET // 2), character, fill=0, font=font, anchor="mm")
    if growth:
        darker = ImageFilter.MinFilter if growth > 0 else ImageFilter.MaxFilter
        sheet = sheet.filter(darker(2 * abs(growth) + 1))
    affine = (1, slant, -slant * SHEET / 2, 0, 1, 0)
    sheet = sheet.transform(sheet.size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR, fillcolor=255)
    return to_mnist(np.asarray(sheet), character)


def forms(character: str) -> list[tuple[float, int]]:
    """Returns the slant and growth of each form in which a character is drawn: nine for a digit, one for a letter."""
    return [(slant, growth) for slant in SLANTS for growth in GROWTHS] if character in digits else [(0.0, 0)]


def family_glyphs(family: Family) -> list[tuple[str, np.ndarray]]:
    """Returns a family's characters and their images; empty if the font lacks a digit."""
    found = []
    for character in digits + ascii_letters:
        for slant, growth in forms(character):
            try:
                found.append((character, drawn(character, family.font, slant, growth)))
            except DataError:  # nothing is left of thin strokes after thinning
                if (slant, growth) == (0.0, 0) and character in digits:
                    return []
    return found


def is_held_out(family: str) -> bool:
    """Returns whether a family is for benchmarks only."""
    return hashlib.sha256(family.split()[0].encode()).digest()[0] < 256 / 5


def write(families: list[Family], path: Path) -> None:
    """Writes the glyphs of families."""
    found = [(family, drawings) for family in families if (drawings := family_glyphs(family))]
    drawn_glyphs = [(image, character, number) for number, (_, all_) in enumerate(found) for character, image in all_]
    images, characters, members = zip(*drawn_glyphs, strict=True)
    glyphs = Glyphs(
        images=np.stack(images),
        characters=np.array(characters),
        families=np.array(members, np.uint16),
        names=np.array([family.name for family, _ in found]),
        licences=np.array([family.licence for family, _ in found]),
    )
    with replacing(path) as beside:
        np.savez_compressed(beside, **glyphs._asdict())
    print(f"{path}: {len(found)} families, {len(images)} glyphs, {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "fonts")
    families = list(fetched_families(parser.parse_args().cache))
    for path, held_out in ((GLYPHS, False), (HELD_OUT, True)):
        write([family for family in families if is_held_out(family.name) is held_out], path)


if __name__ == "__main__":
    main()
