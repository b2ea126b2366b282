"""`flaxdigits export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flaxdigits.extras import require
from flaxdigits.inference.contract import IR_VERSION, OPSET, Precision
from flaxdigits_cli.show import note_temperature, recorded_command, say

if TYPE_CHECKING:
    from flaxdigits.export.export import ExportReport


def run(
    source: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run directory; runs/latest by default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file; model.onnx, model-int8.onnx, ... in the run by default."),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="Of the weights: float16 halves the file, int8 quarters it and is the fastest.")
    ] = "float32",
    golden: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write golden vectors, for `verify` and the checkers.")
    ] = None,
    triton: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write a Triton / KServe model repository.")
    ] = None,
) -> None:
    """Exports, and prints the gate's figures."""
    require("train", "exporting")
    from flaxdigits.export.export import export_onnx

    report = export_onnx(source, out, precision=precision, command=recorded_command())
    for line in _lines(report):
        say(line)
    note_temperature(report.temperature)
    if golden:
        _write_golden(report.path, golden)
    if triton:
        from flaxdigits.export.triton import write_repository

        say(f"{write_repository(report.path, triton)}: config.pbtxt and 1/model.onnx for Triton or KServe")


def _write_golden(model: Path, folder: Path) -> None:
    from flaxdigits.inference.golden import write_golden
    from flaxdigits.inference.recognizer import CPU, Recognizer

    count = write_golden(Recognizer(model, CPU), folder)
    say(f"{folder}: {count} golden vectors; check with: flaxdigits verify {model} {folder}")


def _lines(report: "ExportReport") -> list[str]:
    gate = report.gate
    *sizes, last_size = (f"{size:,}" for size in gate.batches)
    return [
        f"{report.path}: {report.precision}, {report.bytes / 1e6:.1f} MB, opset {OPSET}, IR {IR_VERSION}, "
        f"temperature {report.temperature:.3f}, weights {report.weights_sha256}",
        f"gate: {gate.digits:,} digits in batches of {', '.join(sizes)} and {last_size}; "
        f"{gate.mismatches} predicted differently from the network, {gate.added_errors:+d} errors; "
        f"largest difference of a probability {gate.largest_difference:.1e} from the network, "
        f"{gate.largest_difference_between_batches:.1e} between batches",
    ]
