"""Valid files for every reader, from which the damaged ones are made; and handmade hostile ones."""

import gzip
import io
import json
import struct
import warnings
import zipfile
import zlib
from functools import cache

import numpy as np
from data.packed import idx, npz, zipped
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

from flaxdigits.inference import shipped

PICTURE_FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "TIFF",
    "WEBP",
    "PPM",
    "TGA",
    "ICO",
    "AVIF",
    "JPEG2000",
    "PCX",
    "SGI",
    "DDS",
    "ICNS",
    "IM",
    "MSP",
    "SPIDER",
    "XBM",
    "QOI",
    "BLP",
)


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns five digits and their labels."""
    with np.load(shipped.FOLDER.parent / "flaxdigits" / "data" / "mnist.npz") as arrays:
        return arrays["test_images"][:5], arrays["test_labels"][:5]


def csv() -> list[bytes]:
    """Returns train.csv and test.csv, with and without a header, with the line ends of Windows and of old Macs."""
    images, labels = digits()
    pixels = images.reshape(-1, 784)
    names = [f"pixel{i}" for i in range(784)]
    test = [",".join(names), *(",".join(map(str, row)) for row in pixels)]
    train = [",".join(["label", *names]), *(f"{label},{row}" for label, row in zip(labels, test[1:], strict=True))]
    texts = ["\n".join(train) + "\n", "\n".join(test[1:]), "\r\n".join(test) + "\r\n", "\r".join(train)]
    return [text.encode() for text in texts]


def archives() -> list[bytes]:
    """Returns zips of pictures and of tables."""
    _, labels = digits()
    pictures = {f"d/{label}/{i}.png": encode(i) for i, label in enumerate(labels)}
    table = csv()[0].decode()
    return [zipped(pictures), zipped({"train.csv": table}), zipped({"train.csv": table, "test.csv": csv()[2].decode()})]


def arrays() -> list[bytes]:
    """Returns .npz files of every form, compressed too."""
    images, labels = digits()
    packed = io.BytesIO()
    np.savez_compressed(packed, images=images, labels=labels, writers=np.arange(5))
    return [
        npz(images=images, labels=labels),
        npz(x=images.reshape(5, 784).astype(np.int64), y=labels),
        packed.getvalue(),
    ]


def encode(which: int = 0, form: str = "PNG", mode: str = "L", **options: object) -> bytes:
    """Returns a digit as a picture, dark on white."""
    content = io.BytesIO()
    picture = Image.fromarray(np.kron(255 - digits()[0][which], np.ones((2, 2), np.uint8))).convert(mode)
    picture.save(content, form, **options)
    return content.getvalue()


def pictures() -> list[bytes]:
    """Returns a picture in every format that Pillow writes here, and in several modes."""
    Image.init()
    found = []
    for form in PICTURE_FORMATS:
        for mode in ("L", "RGB", "1", "RGBA", "P", "I;16", "F"):
            try:
                with warnings.catch_warnings(action="ignore"):  # some modes are deprecated
                    found.append(encode(0, form, mode))
            except (OSError, KeyError, ValueError):  # Pillow does not write this mode, or this format, here
                continue
    return [*found, encode(1, "TIFF", compression="tiff_deflate"), encode(1, "TIFF", compression="tiff_lzw")]


def toml() -> list[bytes]:
    """Returns the configurations of the shipped models, and some short ones."""
    files = [path.read_bytes() for path in sorted(shipped.FOLDER.glob("*.toml"))]
    return [*files, b"epochs = 3\nhidden = [64, 32]\n[augmentation]\nrotation = 5.0\n", b'data = "a.csv"\nseed = 7\n']


def golden() -> list[dict[str, bytes]]:
    """Returns a folder of golden vectors: four cases of the tiny shipped model's."""
    folder = shipped.FOLDER / "golden-tiny"
    description = json.loads((folder / "golden.json").read_text())
    description |= {"cases": description["cases"][:4], "shape": [4, 28, 28]}
    return [
        {"golden.json": json.dumps(description).encode(), "pixels.bin": (folder / "pixels.bin").read_bytes()[:3136]}
    ]


def model(nodes: list, constants: dict[str, np.ndarray], classes: object = 10, weights: bool = True) -> ModelProto:
    """Returns a model with softmax(pixels @ weights) as `p` and its digit as `d`; `nodes` make outputs from these."""
    base = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node("ArgMax", ["p"], ["d"], axis=1, keepdims=0),
    ]
    made = {output for node in nodes for output in node.output}
    rest = [("d", "digit"), ("p", "probabilities")]
    nodes = [*nodes, *(helper.make_node("Identity", [name], [out]) for name, out in rest if out not in made)]
    values = [
        helper.make_tensor_value_info("digit", TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
    ]
    if "digitness" in made:
        values.append(helper.make_tensor_value_info("digitness", TensorProto.FLOAT, ["batch"]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 28, 28])
    held = {"weights": np.zeros((784, 10), np.float32) if weights else np.ones((784, 10), np.float32)} | constants
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()]
    graph = helper.make_graph([*base, *nodes], "g", [pixels], values, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def honest_models() -> list[bytes]:
    """Returns models that satisfy the contract, so small that any damage hits something that matters."""
    mean = helper.make_node("ReduceMax", ["p"], ["digitness"], axes=[1], keepdims=0)
    return [model([], {}).SerializeToString(), model([mean], {}).SerializeToString()]


def scaled(kind: str, size: int) -> bytes:
    """Returns a model of 32 kB that requests `size` floats."""
    node = helper.make_node
    before = {
        "ConstantOfShape": [node("ConstantOfShape", ["sizes"], ["large"])],
        "Expand": [node("ReduceMax", ["p"], ["one"], keepdims=1), node("Expand", ["one", "sizes"], ["large"])],
        "Tile": [node("Flatten", ["p"], ["one"]), node("Tile", ["one", "tiles"], ["large"])],
        "Range": [node("Range", ["zero", "limit", "step"], ["large"])],
        "Pad": [node("Pad", ["p", "pads"], ["large"])],
    }[kind]
    after = [
        node("ReduceMax", ["large"], ["most"], keepdims=0),
        node("Mul", ["most", "zero"], ["nothing"]),
        node("Add", ["p", "nothing"], ["probabilities"]),
    ]
    constants = {
        "sizes": np.array([1, size]),
        "tiles": np.array([1, size]),
        "pads": np.array([0, 0, 0, size]),
        "zero": np.float32(0),
        "limit": np.float32(size),
        "step": np.float32(1),
    }
    return model([*before, *after], constants).SerializeToString()


def endless() -> bytes:
    """Returns a model with a loop that never ends."""
    value = helper.make_tensor_value_info
    inputs = [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, None)]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        inputs,
        [value("on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, None)],
    )
    loop = helper.make_node("Loop", ["", "true", "p"], ["probabilities"], body=body)
    return model([loop], {"true": np.array(True)}).SerializeToString()


def liars() -> dict[str, bytes]:
    """Returns models that load, but return something other than they declare, keyed by what they do."""
    node = helper.make_node
    cases = {
        "two rows for each digit": [node("Concat", ["p", "p"], ["probabilities"], axis=0)],
        "one row for all": [node("ReduceMax", ["p"], ["probabilities"], axes=[0], keepdims=1)],
        "digits of two for each": [node("Concat", ["d", "d"], ["digit"], axis=0)],
        "digit 10 and more": [node("Add", ["d", "ten"], ["digit"])],
        "negative digits": [node("Sub", ["d", "ten"], ["digit"])],
        "NaN": [node("Mul", ["p", "nan"], ["probabilities"])],
        "rows that sum to 10": [node("Mul", ["p", "tens"], ["probabilities"])],
        "negative probabilities": [node("Sub", ["p", "halves"], ["probabilities"])],
        "digitness of 10": [
            node("ReduceSum", ["p", "axis"], ["s"], keepdims=0),
            node("Mul", ["s", "tens"], ["digitness"]),
        ],
        "digitness of NaN": [
            node("ReduceSum", ["p", "axis"], ["s"], keepdims=0),
            node("Mul", ["s", "nan"], ["digitness"]),
        ],
        "one digitness for all": [
            node("ReduceMax", ["p"], ["s"], keepdims=0),
            node("Reshape", ["s", "flat1"], ["digitness"]),
        ],
        "nine columns": [node("Slice", ["p", "at0", "at9", "axis"], ["probabilities"])],
    }
    constants = {
        "ten": np.int64(10),
        "nan": np.float32(np.nan),
        "tens": np.float32(10),
        "axis": np.array([1]),
        "at0": np.array([0]),
        "at9": np.array([9]),
        "flat1": np.array([-1]),
        "halves": np.array([0.9, *[-0.1] * 9], np.float32),
    }
    found = {name: model(nodes, constants) for name, nodes in cases.items()}
    for each in found.values():  # so that onnxruntime cannot infer the shapes and compare them with those declared
        hide_shapes(each)
    return {name: each.SerializeToString() for name, each in found.items()}


def hide_shapes(found: ModelProto) -> None:
    """Passes the outputs through a Reshape whose shape is computed, so that they are unknown before the run."""
    for value in found.graph.output:
        for node in found.graph.node:
            for index, output in enumerate(node.output):
                if output == value.name:
                    node.output[index] = f"{value.name} seen"
        shape, out = f"{value.name} shape", value.name
        found.graph.node.append(helper.make_node("Shape", [f"{value.name} seen"], [shape]))
        found.graph.node.append(helper.make_node("Abs", [shape], [f"{shape} 2"]))
        found.graph.node.append(helper.make_node("Reshape", [f"{value.name} seen", f"{shape} 2"], [out]))


def png(width: int, height: int, *, depth: int = 8, content: bytes | None = None, before: bytes = b"") -> bytes:
    """Returns a grey PNG of any stated size, white if no content is given; `before` goes before its data."""
    rows = width * depth // 8 + 1
    packed = content if content is not None else deflated_zeros(min(rows * height, 2**31))
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    data = before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data


def chunk(name: bytes, content: bytes) -> bytes:
    """Returns a chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@cache
def deflated_zeros(count: int) -> bytes:
    """Returns many zeros, deflated."""
    packer, zeros = zlib.compressobj(9), bytes(2**20)
    parts = [packer.compress(zeros[: min(2**20, count - start)]) for start in range(0, count, 2**20)]
    return b"".join(parts) + packer.flush()


@cache
def gzip_bomb(count: int, begin: bytes = b"", repeated: bytes = b"\0") -> bytes:
    """Returns a gzip file of `begin` and about `count` bytes of something repeated."""
    content, block = io.BytesIO(), repeated * (2**20 // len(repeated))
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as file:
        file.write(begin)
        for _ in range(count // len(block)):
            file.write(block)
    return content.getvalue()


@cache
def zip_bomb(name: str, count: int, begin: bytes = b"", repeated: bytes = b"\0") -> bytes:
    """Returns a zip with one large file in it."""
    content, block = io.BytesIO(), repeated * (2**20 // len(repeated))
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        file.write(begin)
        for _ in range(count // len(block)):
            file.write(block)
    return content.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    """Returns an .npy file with any header."""
    text = header.encode("latin-1", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def with_npy(content: bytes, name: str = "images.npy") -> bytes:
    """Returns an .npz that holds one file."""
    return zipped({name: content})


def idx_files() -> list[bytes]:
    """Returns IDX files of images."""
    return [idx(digits()[0]), idx(digits()[0][:1])]
