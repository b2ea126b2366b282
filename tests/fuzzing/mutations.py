"""Mutations: make a damaged file from a valid one, of any bytes first, then with knowledge of its format."""

import gzip
import json
import random
import re
import struct
import zipfile
from io import BytesIO

from fuzzing import seeds

NUMBERS = (0, 1, 2, 9, 10, 27, 28, 29, 127, 128, 255, 256, 784, 785, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
WORDS = (
    "",
    " ",
    "-0",
    "-1",
    "+5",
    "256",
    "999",
    "1e400",
    "1e2",
    "nan",
    "inf",
    "1_000",
    "0x10",
    "\u0663",
    "\u00b3",
    "\uff11\uff12",
    "\ufeff7",
    "\0",
    "\x1b[31m",
    '"5"',
    "5 ",
    "\t5",
    "007",
    "5.0",
    "9" * 5000,
    "true",
    "None",
    "\u2028",
    "\x85",
    "'",
    ",",
    "\n",
    "\r",
)
NAMES = (
    "../../etc/0/a.png",
    "/0/a.png",
    "0/a\n\x1b[2J.png",
    "train.csv",
    "a\\0\\b.png",
    "images.npy",
    "0/.png",
    "0/" * 99,
)


def damage(content: bytes, rng: random.Random) -> bytes:
    """Returns bytes with one to four changes at random places."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(max(1, min(len(changed), rng.choice((32, 512, 2**30)))))
        length = rng.choice((1, 2, 4, 8, 64, 1024))
        match rng.randrange(7):
            case 0:
                del changed[at:]
            case 1 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 2:
                changed[at : at + length] = rng.randbytes(length)
            case 3:
                number = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS))
                changed[at : at + 4] = number
            case 4:
                changed[at:at] = changed[at : at + length]
            case 5:
                del changed[at : at + length]
            case _:
                changed[at:at] = rng.choice(WORDS).encode("utf-8", "surrogatepass")
    return bytes(changed)


def csv(content: bytes, rng: random.Random) -> bytes:
    """Returns a table with changed cells, rows or line ends."""
    text = content.decode()
    match rng.randrange(7):
        case 0:
            return damage(content, rng)
        case 1:
            return text.replace(
                "\n", rng.choice(("\r\n", "\r", "\n\n", "\n\r", "\0", "\x0c")), rng.randrange(1, 9)
            ).encode()
        case 2:
            lines = text.split("\n")
            at = rng.randrange(len(lines))
            lines[at:at] = rng.choice((lines[at : at + 1] * 2, [""], ["," * 784], ["0," * 100_000]))
            return "\n".join(lines).encode()
        case 3:
            return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"#")) + content
        case 4:
            return text.encode(rng.choice(("utf-16", "utf-32", "utf-16-le")))
        case _:
            commas = [match.start() for match in re.finditer(",", text)]
            for at in sorted(rng.sample(commas, rng.randrange(1, 4)), reverse=True):
                end = at + 1 + len(re.match(r"[^,\r\n]*", text[at + 1 :])[0])
                text = text[: at + 1] + rng.choice(WORDS) + text[end:]
            return text.encode("utf-8", "surrogatepass")


def idx(content: bytes, rng: random.Random) -> bytes:
    """Returns an IDX file with other sizes, types or dimensions."""
    if rng.random() < 0.4:
        return damage(content, rng)
    kind, dimensions = rng.choice((8, 9, 11, 12, 13, 14, 8, 8)), rng.choice((0, 1, 2, 3, 3, 3, 4, 255))
    sizes = b"".join(struct.pack(">I", rng.choice((*NUMBERS, 28, 28, 28))) for _ in range(dimensions))
    return bytes([0, 0, kind, dimensions]) + sizes + content[16 : 16 + rng.choice((0, 1, 783, 784, 2**20))]


def npz(content: bytes, rng: random.Random) -> bytes:
    """Returns an .npz whose arrays have other headers, or other files in it."""
    if rng.random() < 0.3:
        return damage(content, rng)
    files = unpacked(content)
    name = rng.choice(list(files))
    match rng.randrange(4):
        case 0:
            files[name] = damage(files[name], rng)
        case 1:
            files[rng.choice(("labels.npy", "writers.npy", "y.npy", *NAMES))] = files[name]
        case _:
            files[name] = seeds.npy(npy_header(rng), files[name][128:])
    return packed(files, rng)


def npy_header(rng: random.Random) -> str:
    """Returns a header of an .npy file, mostly of a type or shape that digits do not have."""
    kind = rng.choice(
        ("|u1", "<i8", ">u8", "<f8", "|O", "<m8[s]", "<M8[D]", "|b1", "<U9", "|V784", "<c16", "|S0", "<f2", "x")
    )
    sizes = (*NUMBERS, -1, 5, 5, 28, 28, 2**40, 2**63, 2**70)
    shape = rng.choice(((5, 28, 28), (5, 784), (5,), tuple(rng.choice(sizes) for _ in range(rng.randrange(5)))))
    order = rng.choice(("True", "False", "False", "None"))
    header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"
    odd = ("[('a', '|u1')]", "'|u1', 'x': 1", "((" * 500, "lambda: 0", "0777", "1L")
    return header.replace(f"'{kind}'", rng.choice(odd)) if rng.random() < 0.2 else header


def archive(content: bytes, rng: random.Random) -> bytes:
    """Returns a zip with other names, damaged or nested files, links, or wrong declared sizes."""
    if rng.random() < 0.3:
        return damage(content, rng)
    files = unpacked(content)
    name = rng.choice(list(files))
    match rng.randrange(5):
        case 0:
            files[name] = damage(files[name], rng)
        case 1:
            files[rng.choice(NAMES)] = files.pop(name)
        case 2:
            files[name] = rng.choice((content, gzip.compress(files[name]), b"", b"../../../etc/passwd"))
        case 3:
            files = {f"{rng.choice(NAMES)}{i}": files[name] for i in range(20)}
        case _:
            return zip_with_other_fields(packed(files, rng), rng)
    return packed(files, rng)


def zip_with_other_fields(content: bytes, rng: random.Random) -> bytes:
    """Returns a zip of which some headers declare another size, method, flag or attribute."""
    changed = bytearray(content)
    field, number = rng.choice((8, 10, 16, 20, 24, 28, 38, 42)), struct.pack("<I", rng.choice(NUMBERS))
    for found in re.finditer(rb"PK\x01\x02", content):
        changed[found.start() + field : found.start() + field + 4] = number
        if rng.random() < 0.5:
            break
    return bytes(changed)


def unpacked(content: bytes) -> dict[str, bytes]:
    """Returns the files of a zip by name."""
    with zipfile.ZipFile(BytesIO(content)) as found:
        return {name: found.read(name) for name in found.namelist()}


def packed(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Returns a zip of files, some of them marked as symbolic links."""
    content = BytesIO()
    with zipfile.ZipFile(
        content, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    ) as made:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = made.compression
            entry.external_attr = rng.choice((0o600, 0o120777)) << 16
            made.writestr(entry, data)
    return content.getvalue()


def gzipped(content: bytes, rng: random.Random) -> bytes:
    """Returns a gzip file of damaged content, of several members, nested, or damaged itself."""
    match rng.randrange(5):
        case 0:
            return damage(gzip.compress(content, mtime=0), rng)
        case 1:
            return gzip.compress(damage(content, rng), mtime=0)
        case 2:
            half = rng.randrange(len(content))
            return gzip.compress(content[:half], mtime=0) + gzip.compress(content[half:], mtime=0)
        case 3:
            return gzip.compress(gzip.compress(content, mtime=0), mtime=0)
        case _:
            return gzip.compress(content, mtime=0) + rng.randbytes(rng.randrange(1, 99))


def picture(content: bytes, rng: random.Random) -> bytes:
    """Returns a damaged picture; in a PNG the chunks are changed, with valid checksums."""
    if not content.startswith(b"\x89PNG") or rng.random() < 0.3:
        return damage(content, rng)
    chunks = png_chunks(content)
    at = rng.randrange(len(chunks))
    name, data = chunks[at]
    match rng.randrange(6):
        case 0:
            del chunks[at]
        case 1:
            chunks[at:at] = [chunks[at]] * rng.choice((1, 9))
        case 2:
            chunks[at] = name, damage(data, rng)
        case 3:
            sizes = struct.pack(">II", rng.choice(NUMBERS), rng.choice(NUMBERS))
            chunks[0] = b"IHDR", sizes + bytes([rng.choice((1, 8, 16)), rng.choice((0, 2, 3, 4, 6)), 0, 0, 0])
        case 4:
            chunks[1:1] = [(rng.choice((b"zTXt", b"iCCP")), b"a\0\0" + seeds.deflated_zeros(2**26))]
        case _:
            extra = rng.choice((b"eXIf", b"tRNS", b"PLTE", b"gAMA", b"acTL", b"fcTL", b"pHYs"))
            chunks[1:1] = [(extra, rng.randbytes(rng.randrange(40)))]
    return content[:8] + b"".join(seeds.chunk(*each) for each in chunks)


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Returns the chunks of a valid PNG: name and data."""
    found, at = [], 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


# fmt: off
TOML_VALUES = (
    "nan", "inf", "-inf", "-0.0", "1e400", "1_000", "0x1F", "true", '"a"', '"\\u001b[31m"', "[]", "[[1]]", "{}",
    "[1.5]", "[true]", "9" * 4000, "9" * 5000, "[" * 3000, "{a=" * 3000, "2000-01-01", "'''\n\n'''", "[1," * 900,
    "[" + "9" * 4290 + "," + "9" * 4290 + "]", "9223372036854775808", "1e308", "[0]", "[-1]", "[64]" * 2,
)
# fmt: on
TOML_LINES = "a.b.c.d = 1", "[augmentation.x]", ".".join("a" * 2000) + " = 1", "[[augmentation]]"


def toml(content: bytes, rng: random.Random) -> bytes:
    """Returns a configuration with other values, names or nesting."""
    if rng.random() < 0.3:
        return damage(content, rng)
    lines = content.decode().split("\n")
    at = rng.randrange(len(lines))
    value = rng.choice(TOML_VALUES)
    match rng.randrange(4):
        case 0:
            lines[at:at] = [rng.choice(TOML_LINES)]
        case 1:
            lines[at:at] = lines[at : at + 1]
        case _:
            lines[at] = lines[at].split("=")[0] + "= " + value
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def golden(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Returns golden vectors with damaged files, or other values in their description."""
    files = dict(files)
    name = rng.choice(list(files))
    if rng.random() < 0.4:
        return files | {name: damage(files[name], rng)}
    whole = json.loads(files["golden.json"])
    values = [
        None,
        0,
        -1,
        1.5,
        True,
        "",
        "a",
        [],
        {},
        [[1]],
        1e308,
        float("inf"),
        float("nan"),
        2**70,
        "../pixels.bin",
        "/dev/zero",
        "\x1b[31m\n",
        "7",
        ".",
        "golden.json",
        0.5,
    ]
    where = rng.choice((whole, whole["model"], rng.choice(whole["cases"]), whole["cases"][0]["probabilities"]))
    key = rng.randrange(len(where)) if isinstance(where, list) else rng.choice(list(where))
    where[key] = rng.choice(values)
    return files | {"golden.json": json.dumps(whole).encode()}


def onnx(content: bytes, rng: random.Random) -> bytes:
    """Returns a model with other operators, connections, shapes, types or attributes; or damaged bytes."""
    from onnx import load_model_from_string

    if rng.random() < 0.4:
        return damage(content, rng)
    model = load_model_from_string(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        change_model(model, rng)
    return model.SerializeToString()


OPERATORS = (
    "Relu",
    "Identity",
    "Softmax",
    "ReduceMax",
    "ReduceSum",
    "Flatten",
    "Concat",
    "Transpose",
    "Squeeze",
    "NonZero",
    "TopK",
    "Expand",
    "Reshape",
    "ConstantOfShape",
    "Shape",
    "Range",
    "Loop",
    "If",
    "Scan",
    "SequenceMap",
    "Cast",
    "ArgMax",
    "Abs",
    "Resize",
    "Tile",
    "Conv",
    "LSTM",
    "Pad",
    "Gather",
    "Unique",
    "Compress",
    "StringNormalizer",
    "SplitToSequence",
    "Neg",
)


def change_model(model: object, rng: random.Random) -> None:
    """Changes one thing in a model."""
    graph = model.graph
    node, value = rng.choice(graph.node), rng.choice([*graph.input, *graph.output])
    held = rng.choice(graph.initializer)
    match rng.randrange(9):
        case 0:
            node.op_type = rng.choice(OPERATORS)
        case 1 if node.input:
            others = [name for each in graph.node for name in each.output]
            node.input[rng.randrange(len(node.input))] = rng.choice([*others, "pixels", "", "weights"])
        case 2:
            del node.attribute[:]
        case 3 if node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice((-(2**63), -2, -1, 0, 1, 2, 7, 10, 11, 2**63 - 1))
        case 4:
            axes = value.type.tensor_type.shape.dim
            axes[rng.randrange(len(axes))].dim_value = rng.choice((0, 1, 10, 28, 2**40, -1))
        case 5:
            value.type.tensor_type.elem_type = rng.randrange(24)
        case 6:
            held.dims[:] = [rng.choice((0, 1, 10, 784, 2**31, 2**62, -1)) for _ in range(rng.randrange(4))]
        case 7:
            entry = held.external_data.add()
            entry.key, entry.value = "location", rng.choice(("/etc/passwd", "../x", "weights.bin", "/dev/zero"))
            held.data_location = 1
            held.ClearField("raw_data")
        case _:
            node.domain = rng.choice(("com.example", "com.microsoft", "ai.onnx.ml", "\x1b[31m\n"))
