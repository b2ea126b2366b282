"""What follows training: the export, the accuracy, and a comparison with the model that it started from."""

from typing import TYPE_CHECKING

from flaxdigits.errors import FlaxdigitsError
from flaxdigits_cli.show import note, note_temperature, recorded_command, say

if TYPE_CHECKING:
    from flaxdigits.export.export import ExportReport
    from flaxdigits.training.training import Training


def finish(training: "Training") -> None:
    """Exports the network, and prints the paths of the results and the accuracy."""
    from flaxdigits.export.export import export_onnx
    from flaxdigits.training.history import read_history
    from flaxdigits.training.records import Provenance

    run = training.run
    exported = export_onnx(run, command=recorded_command())
    note_temperature(exported.temperature)
    last = read_history(run)[-1]
    say(f"run       {run}")
    say(f"model     {exported.path}  ({exported.bytes / 1e6:.1f} MB; {_compared(exported)})")
    say(f"curves    {run.curves}")
    if last.val_accuracy == last.val_accuracy:
        say(f"accuracy  {last.val_accuracy:.2%} on the held-out digits (validation)")
    shared = Provenance.read(run.data).rows_in_mnist_test
    if shared:
        note(f"note: {shared} of MNIST's test digits are in the training data, so do not evaluate the model on them")


def _compared(exported: "ExportReport") -> str:
    return f"the file predicts {exported.gate.digits:,} digits as the network does"


def compare(training: "Training") -> None:
    """Prints the errors on new digits and on MNIST's, before and after fine-tuning.

    MNIST's test digits are those that the export gate has just read.
    """
    from flaxdigits.data.load import MNIST_TEST, load
    from flaxdigits.evaluation import Evaluation
    from flaxdigits.inference.recognizer import Recognizer
    from flaxdigits.inference.shipped import find_model
    from flaxdigits.training.records import Provenance, load_held_out

    run, config = training.run, training.config
    try:
        models = [Recognizer(find_model(path)) for path in (config.initial_weights, run.path)]
    except FlaxdigitsError as error:
        note(f"not compared with the model that it started from: {error}")
        return
    sets = {"new": (load_held_out(run), "held-out digits")} if config.validation else {}
    if not Provenance.read(run.data).rows_in_mnist_test:
        sets["old"] = load(MNIST_TEST), "test digits of MNIST"
    for name, (digits, what) in sets.items():
        before, after = (Evaluation.of(model, digits) for model in models)
        shares = " -> ".join(f"{each.errors / len(digits):.2%}" for each in (before, after))
        say(f"{name}       {shares} misread ({before.errors} -> {after.errors} of {len(digits):,} {what})")


def evaluate_finished(training: "Training") -> None:
    """Evaluates a run on MNIST's test digits, or on the digits that it held out if it was trained on other data."""
    from flaxdigits.data.load import MNIST_TEST, MNIST_TRAIN, load
    from flaxdigits_cli.eval import evaluate, held_out

    path, config = training.run.path, training.config
    if config.data == MNIST_TRAIN:
        evaluate(path, load(MNIST_TEST), out=path)
    elif config.validation:
        evaluate(path, held_out(path), out=path)
    else:
        note(f"not evaluated, since no digits were held out; on other digits: flaxdigits eval {path} DATA")
