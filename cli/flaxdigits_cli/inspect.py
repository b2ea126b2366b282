"""`flaxdigits inspect`."""

from typing import TYPE_CHECKING, Annotated

import typer

from flaxdigits.inference.shipped import find_model
from flaxdigits.printable import printable
from flaxdigits_cli.models import Model
from flaxdigits_cli.show import to_json

if TYPE_CHECKING:
    from flaxdigits.inference.inspection import Inspection


def run(
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Prints a description of the file; returns 1 if it breaks the contract."""
    from flaxdigits.inference.inspection import Inspection

    found = Inspection.of(find_model(model))
    print(to_json(found.as_dict(), indent=2) if as_json else _table(found))
    return 1 if found.violations else 0


def _table(found: "Inspection") -> str:
    """Formats the description; multi-line values, such as the configuration, are indented."""
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in found.opsets.items())
    rows = [
        ("file", f"{found.path}, {found.bytes:,} bytes"),
        ("format", f"IR {found.ir_version}, opset {opsets}"),
        *(("in", f"{name} {form}") for name, form in found.inputs.items()),
        *(("out", f"{name} {form}") for name, form in found.outputs.items()),
        ("operators", ", ".join(f"{count} {name}" for name, count in found.operators.items())),
        *found.metadata.items(),
        *(("warning", warning) for warning in found.warnings),
        ("contract", "kept" if not found.violations else "broken: " + "; ".join(found.violations)),
    ]
    width = max(len(printable(name)) for name, _ in rows)
    return "\n".join(f"{printable(name):<{width}}  {_indented(value)}" for name, value in rows)


def _indented(value: str) -> str:
    """Returns a value without control characters; a multi-line value goes below its name, indented."""
    lines = [printable(line) for line in value.splitlines()]
    return "\n  ".join(["", *lines]) if len(lines) > 1 else "".join(lines)
