"""The inputs of a reader by number: handmade hostile ones first, then damaged valid ones."""

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

from fuzzing import mutations, seeds

Content = bytes | dict[str, bytes]  # of a file, or of the files of a folder

BOMB = 2**29  # bytes, which compress to half a megabyte


@cache
def valid(reader: str) -> list[Content]:
    """Returns the valid files that a reader's damaged ones are made from."""
    makers: dict[str, Callable[[], list[Content]]] = {
        "csv": seeds.csv,
        "idx": seeds.idx_files,
        "npz": seeds.arrays,
        "zip": seeds.archives,
        "toml": seeds.toml,
        "gzip": lambda: [*seeds.csv(), *seeds.idx_files(), seeds.archives()[1]],
        "golden": seeds.golden,
        "picture": seeds.pictures,
        "page": seeds.pictures,
        "onnx": seeds.honest_models,
        "inspect": seeds.honest_models,
    }
    return makers[reader]()


@cache
def hostile(reader: str) -> list[Content]:
    """Returns handmade files: bombs, endless loops, sizes of terabytes, and others that chance would not find."""
    makers: dict[str, Callable[[], list[Content]]] = {
        "csv": long_lines, "idx": large_headers, "npz": large_arrays, "zip": zip_bombs, "gzip": gzip_bombs,
        "picture": bomb_pictures, "page": bomb_pictures, "toml": nested_tables, "golden": nested_lists,
        "onnx": hostile_models, "inspect": hostile_models,
    }  # fmt: skip
    return makers[reader]()


ROW = b"0," * 783 + b"0\n"


def long_lines() -> list[bytes]:
    """Returns tables with lines of megabytes."""
    quoted = b'"' + b"a" * 400 + b'",'
    return [b"0," * 2**26, b"1" * 2**26, b"label,pixel0\n" + b"0," * 2**25, b"\r" * 2**24, quoted * 800]


def large_headers() -> list[bytes]:
    """Returns IDX files that declare more data than they hold, or none."""
    return [bytes([0, 0, 8, 3]) + sizes * 3 for sizes in (b"\xff" * 4, bytes(4))]


def large_arrays() -> list[bytes]:
    """Returns .npz files of large arrays, or of objects, which only pickle could read."""
    pickled = seeds.npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04.")
    bomb = seeds.zip_bomb("images.npy", BOMB, numpy_start(BOMB // 784))
    return [bomb, *map(seeds.with_npy, (numpy_start(2**40), numpy_start(2**22), pickled))]


def zip_bombs() -> list[bytes]:
    """Returns zips of half a megabyte, with half a gigabyte in them."""
    pgm = b"P5 10000 10000 255\n"
    return [
        seeds.zip_bomb("train.csv", BOMB),
        seeds.zip_bomb("test.csv", BOMB, repeated=ROW),
        seeds.zip_bomb("0/a.png", BOMB),
        seeds.zip_bomb("0/a.pgm", BOMB, pgm),
    ]


def gzip_bombs() -> list[bytes]:
    """Returns the same in gzip."""
    idx = bytes([0, 0, 8, 3]) + b"\0\x20\0\0\0\0\0\x1c\0\0\0\x1c"
    begun = [seeds.gzip_bomb(BOMB, begin) for begin in (b"", idx, seeds.archives()[1])]
    return [*begun, *(seeds.gzip_bomb(BOMB, repeated=repeated) for repeated in (ROW, b"0,"))]


def nested_tables() -> list[bytes]:
    """Returns TOML with many brackets, braces, dots and digits."""
    dots = [b".".join([b"a"] * count) + b" = 1" for count in (10**5, 8000)]
    return [b"a = " + b"[" * 10**5, b"a = " + b"[" * 9000, b"a = " + b"{a=" * 4000, b"seed = " + b"1" * 10**7, *dots]


def nested_lists() -> list[dict[str, bytes]]:
    """Returns golden vectors with many brackets and digits."""
    return [{"golden.json": text * 10**6, "pixels.bin": b""} for text in (b"[", b"1", b'{"a":')]


def numpy_start(count: int) -> bytes:
    """Returns the header of an .npy file of many digits."""
    return seeds.npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 28, 28)}}")


def bomb_pictures() -> list[bytes]:
    """Returns small files of very large pictures."""
    return [
        seeds.png(13000, 13000),
        seeds.png(100_000, 1000),
        seeds.png(1, 10**8, depth=1),
        seeds.png(2**31 - 1, 2**31 - 1, content=b""),
        seeds.png(28, 28, before=seeds.chunk(b"iCCP", b"a\0\0" + seeds.deflated_zeros(2**30))),
        b"P5 13000 13000 255\n" + bytes(1000),
        b"P2 9 9 255\n" + b"9" * 10**7,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n0 0 50 50 rectfill\nshowpage\n",
    ]


def hostile_models() -> list[bytes]:
    """Returns models that never end, request terabytes, or return something other than they declare."""
    sizes = [
        (kind, size) for kind in ("ConstantOfShape", "Expand", "Tile", "Range", "Pad") for size in (10**12, 3 * 10**9)
    ]
    return [seeds.endless(), *(seeds.scaled(*each) for each in sizes), *seeds.liars().values()]


CHANGES: dict[str, Callable] = {
    "csv": mutations.csv,
    "idx": mutations.idx,
    "npz": mutations.npz,
    "zip": mutations.archive,
    "gzip": mutations.gzipped,
    "picture": mutations.picture,
    "page": mutations.picture,
    "toml": mutations.toml,
    "onnx": mutations.onnx,
    "inspect": mutations.onnx,
    "golden": mutations.golden,
}


def make(reader: str, number: int, seed: int) -> Content:
    """Returns the input with this number: first the hostile ones, then valid ones, then damaged ones."""
    first = [*hostile(reader), *valid(reader)]
    return first[number] if number < len(first) else damaged(reader, number, seed)


def damaged(reader: str, number: int, seed: int) -> Content:
    """Returns a damaged file, determined by the reader, the number and the seed."""
    rng = random.Random(f"{seed} {reader} {number}")
    return CHANGES[reader](rng.choice(valid(reader)), rng)


def write(content: Content, path: Path) -> None:
    """Writes an input: a file, or a folder of files."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, data in content.items():
        (path / name).write_bytes(data)
