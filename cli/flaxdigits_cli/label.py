"""`flaxdigits label`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from flaxdigits.bulk import Options
from flaxdigits.errors import DataError
from flaxdigits.inference.shipped import SHIPPED, find_model
from flaxdigits.labelling import NONE, save_labelled
from flaxdigits_cli.models import ModelOption
from flaxdigits_cli.reading import Files, Page, Single, exit_code, expanded, find_mode, read
from flaxdigits_cli.show import note, say


def run(
    files: Files,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder; the digits go into sub-folders 0 to 9.")],
    model: ModelOption = None,
    single: Single = False,
    page: Page = False,
) -> int:
    """Sorts the digits of pictures into folders by predicted label; returns 1 if files could not be read."""
    mode = find_mode(single, page)
    names, unread = expanded(files)
    found = written = refused = 0
    for name, readings in read(names, Options(find_model(model), mode), unread):
        found += len(readings)
        refused += sum(reading.refused for reading in readings)
        written += save_labelled(name, readings, out)
    if found:
        say(f"{out}: {found - refused} digits in sub-folders 0 to 9, {refused} refused in {NONE}/")
        train = shlex.join(["flaxdigits", "train", str(out), "--from", str(model or SHIPPED)])
        note(f"move those that are in a wrong folder, then: {train}")
    elif not unread:
        raise DataError("no digits were found in these pictures")
    if written < found:
        note(f"note: {found - written} of {found} already existed and were left unchanged")
    return exit_code(names, unread)
