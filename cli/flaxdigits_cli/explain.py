"""`flaxdigits explain`."""

from pathlib import Path
from typing import Annotated

import typer

from flaxdigits.inference.shipped import find_model
from flaxdigits_cli.models import ModelOption
from flaxdigits_cli.show import check_picture, say


def run(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A picture of a digit or of a page.")],
    model: ModelOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="The sheet; by default PICTURE-explained.png here.")
    ] = None,
) -> int:
    """Writes a sheet that shows the model's inputs and answers, and explains them in words."""
    from flaxdigits import atomic
    from flaxdigits.explanation import explain
    from flaxdigits.inference.recognizer import Recognizer
    from flaxdigits.pictures.reading import read_image

    path = out or Path(f"{picture.stem}-explained.png")
    check_picture(picture, path, "--out")
    found = explain(read_image(picture), Recognizer(find_model(model)))
    with atomic.replacing(path) as beside:
        found.sheet.save(beside, "PNG")
    for sentence in found.words:
        say(sentence)
    say(path)
    return 0
