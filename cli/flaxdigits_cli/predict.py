"""`flaxdigits predict`."""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flaxdigits.bulk import Options, Result
from flaxdigits.data.inputs import STANDARD_INPUT
from flaxdigits.inference.shipped import find_model
from flaxdigits.pages import Reading
from flaxdigits.printable import printable
from flaxdigits_cli.models import ModelOption
from flaxdigits_cli.reading import Files, Page, Single, exit_code, expanded, find_mode, read
from flaxdigits_cli.show import check_picture, to_json

Format = Literal["table", "csv", "json", "jsonl"]
Engine = Literal["local", "ray"]

COLUMNS = ("file", "line", "number", "digit", "probability", "digitness", "refused", "left", "top", "right", "bottom")
REFUSED = "?"  # in place of a digit


def run(
    files: Files,
    model: ModelOption = None,
    single: Single = False,
    page: Page = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            min=0,
            max=1,
            help="Refuse digits of a lower digitness; by default 0.5, within a number lower.",
        ),
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="Output format.")] = "table",
    annotate: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw boxes and digits over the picture.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option("--engine", help="ray: Parquet or folders of any size, on one machine or a cluster.")
    ] = "local",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where --engine ray writes Parquet; run it again to resume.")
    ] = None,
) -> int:
    """Prints the digits that can be read, and the errors of the rest; returns 1 if there are any."""
    if min_confidence != min_confidence:
        raise typer.BadParameter("--min-confidence is not a number")
    check_engine(engine, out, files, annotate is not None or output_format != "table")
    mode = find_mode(single, page)
    if out:
        from flaxdigits_cli.scale import read_at_scale

        return read_at_scale(files, out, Options(find_model(model), mode, min_confidence))
    names, unread = expanded(files)
    if annotate and (len(names) != 1 or names[0] == STANDARD_INPUT):
        raise typer.BadParameter("--annotate takes one picture")
    if annotate:
        check_picture(Path(names[0]), annotate, "--annotate")
    results: Iterable[Result] = read(names, Options(find_model(model), mode, min_confidence), unread)
    if annotate:
        results = list(results)
        readings = [reading for result in results for reading in result.readings]
        if any(reading.box is None for reading in readings):
            raise typer.BadParameter("--annotate takes one picture")
        if not unread:
            write_annotated(Path(names[0]), readings, annotate)
    width = max((len(printable(name)) for name in names), default=0)
    is_shown = output_format == "csv" and sys.stdout.isatty()  # elsewhere its names stay exact
    for text in WRITERS[output_format](results, width):
        sys.stdout.write(printable(text.removesuffix("\n")) + "\n" if is_shown else text)
    return exit_code(names, unread)


def check_engine(engine: Engine, out: Path | None, files: list[str], has_other_output: bool) -> None:
    """Raises a usage error if options do not go together."""
    if (engine == "ray") != (out is not None):
        raise typer.BadParameter("--engine ray and --out DIR go together")
    if out and has_other_output:
        raise typer.BadParameter("--engine ray writes Parquet; --format and --annotate need the local engine")
    if out and STANDARD_INPUT in files:
        raise typer.BadParameter("--engine ray reads files, not standard input")


def write_annotated(picture: Path, readings: list[Reading], out: Path) -> None:
    """Writes a picture with its readings drawn over it."""
    from flaxdigits import atomic
    from flaxdigits.annotation import annotate
    from flaxdigits.pictures.reading import read_image

    drawn = annotate(read_image(picture), readings)
    with atomic.replacing(out) as beside:
        drawn.save(beside, "PNG")


def _table(results: Iterable[Result], width: int) -> Iterator[str]:
    for path, readings in results:
        name = printable(path)
        lines = [list(members) for _, members in groupby(readings, key=lambda reading: reading.line)]
        if len(readings) > 1 and all(reading.refused for reading in readings):
            yield f"{name:<{width}}  no digit\n"
        for members in lines:
            if len(readings) == 1 or not all(reading.refused for reading in members):
                place = f"{name}:{members[0].line}" if len(readings) > 1 else name
                yield f"{place:<{width + 2 * (len(readings) > 1)}}  {_line(members)}\n"


def _line(members: list[Reading]) -> str:
    """Returns the numbers of a line, and the lowest probability of its digits."""
    if all(reading.refused for reading in members):
        return f"no digit  (the likeliest is {members[0].digit}; digitness {members[0].digitness:.1%})"
    numbers = [list(digits) for _, digits in groupby(members, key=lambda reading: reading.number)]
    texts = [
        "".join(REFUSED if reading.refused else str(reading.digit) for reading in digits)
        for digits in numbers
        if not all(reading.refused for reading in digits)
    ]
    return f"{' '.join(texts)}  {min(reading.probability for reading in members if not reading.refused):.1%}"


def _csv(results: Iterable[Result], _: int) -> Iterator[str]:
    import csv
    import io

    def row(*cells: object) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        return text.getvalue()

    yield row(*COLUMNS)
    for record in _records(results):
        record["refused"] = str(record["refused"]).lower()
        box = record.pop("box")
        yield row(*record.values(), *(box or [""] * 4))


def _records(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    """Yields an object for each digit."""
    for name, readings in results:
        for reading in readings:
            figures = {figure: round(getattr(reading, figure), 6) for figure in ("probability", "digitness")}
            box = list(reading.box) if reading.box else None
            yield {"file": name} | reading.as_dict() | figures | {"box": box}


def _json(results: Iterable[Result], _: int) -> Iterator[str]:
    before = "[\n"
    for record in _records(results):
        yield before + to_json(record)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _jsonl(results: Iterable[Result], _: int) -> Iterator[str]:
    yield from (to_json(record) + "\n" for record in _records(results))


WRITERS: dict[str, Callable[[Iterable[Result], int], Iterator[str]]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
}
