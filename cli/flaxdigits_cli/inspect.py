"""`flaxdigits inspect`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from flaxdigits.runs import find_model

if TYPE_CHECKING:
    from flaxdigits.inspection import Inspection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what the command takes."""
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="any .onnx file, or a run directory (default: the shipped model)",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints what the file is; 1 where it breaks the contract."""
    from flaxdigits.inspection import Inspection

    found = Inspection.of(find_model(arguments.model))
    print(json.dumps(found.as_dict(), indent=2) if arguments.json else _table(found))
    return 1 if found.breaches else 0


def _table(found: "Inspection") -> str:
    """Lays everything out for reading; values of several lines, such as the configuration, are indented."""
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in found.opsets.items())
    rows = [
        ("file", f"{found.path}, {found.bytes:,} bytes"),
        ("format", f"IR {found.ir_version}, opset {opsets}"),
        *(("in", f"{name} {form}") for name, form in found.inputs.items()),
        *(("out", f"{name} {form}") for name, form in found.outputs.items()),
        ("operators", ", ".join(f"{count} {name}" for name, count in found.operators.items())),
        *(
            (name, "\n  ".join(["", *value.splitlines()]) if "\n" in value else value)
            for name, value in found.metadata.items()
        ),
        *(("caution", caution) for caution in found.cautions),
        ("contract", "kept" if not found.breaches else "broken: " + "; ".join(found.breaches)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
