"""What `predict` and `label` share: their inputs, and reading them with a progress bar."""

from collections.abc import Iterator
from typing import Annotated

import typer

from flaxdigits.bulk import Options, Result, read_files
from flaxdigits.data.inputs import expand
from flaxdigits.errors import DataError
from flaxdigits.extras import install_command, missing
from flaxdigits.pages import Mode
from flaxdigits_cli.show import note, reading_bar

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Pictures, folders, Kaggle CSV or .npz files; - for standard input."),
]
Single = Annotated[bool, typer.Option("--single", help="Read each picture as one digit.")]
Page = Annotated[bool, typer.Option("--page", help="Read each picture as lines of numbers.")]


def find_mode(single: bool, page: bool) -> Mode:
    """Returns how pictures are read; prints a note if they can only be read as one digit each."""
    if single and page:
        raise typer.BadParameter("--single and --page are mutually exclusive")
    if single or page:
        return "single" if single else "page"
    if missing("pages"):
        note(f"note: each picture is read as one digit; for several: {install_command('pages')}")
    return "auto"


def expanded(files: list[str]) -> tuple[list[str], list[DataError]]:
    """Returns the files, with folders expanded to their pictures, and the errors of folders."""
    names: list[str] = []
    unread: list[DataError] = []
    for file in files:
        try:
            names += expand(file)
        except DataError as error:
            note(f"flaxdigits: {error}")
            unread.append(error)
    return names, unread


def read(names: list[str], options: Options, unread: list[DataError]) -> Iterator[Result]:
    """Yields what is read in files; adds the errors of unreadable ones to `unread`, and prints them."""
    with reading_bar(len(names)) as (move, line):
        for found in read_files(names, options):
            move()
            if isinstance(found, DataError):
                line(f"flaxdigits: {found}")
                unread.append(found)
                continue
            for result in found:
                if not result.readings:
                    line(f"note: {result.name}: no digit stands out from the paper")
                yield result


def exit_code(names: list[str], unread: list[DataError]) -> int:
    """Returns 1 if files could not be read, and prints how many."""
    if len(unread) > 1 and len(names) > 1:
        note(f"flaxdigits: {len(unread)} of {len(names)} files could not be read")
    return 1 if unread else 0
