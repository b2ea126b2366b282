import math

import pytest

from flaxdigits.errors import RunError
from flaxdigits.training.history import EpochReport, read_history, write_history


def report(epoch, val_loss):
    return EpochReport(epoch, 10 * epoch, 1e-3, 0.5, 0.9, val_loss, 0.95, 0.8, 1.5, 1000.0)


def test_a_history_survives_its_file(tmp_path):
    reports = [report(1, 0.25), report(2, 0.12345679104)]
    write_history(reports, tmp_path / "history.csv")
    assert read_history(tmp_path / "history.csv", 2) == reports
    assert read_history(tmp_path / "history.csv", 1) == reports[:1]


def test_a_figure_that_does_not_exist_is_an_empty_cell(tmp_path):
    write_history([report(1, math.nan)], tmp_path / "history.csv")
    assert ",0.9,,0.95," in (tmp_path / "history.csv").read_text()
    assert math.isnan(read_history(tmp_path / "history.csv", 1)[0].val_loss)


def test_there_is_no_history_before_the_first_epoch(tmp_path):
    assert read_history(tmp_path / "history.csv", 0) == []


@pytest.mark.parametrize("epochs", [1, 2])
def test_missing_epochs_are_an_error(epochs, tmp_path):
    if epochs == 2:
        write_history([report(1, 0.25)], tmp_path / "history.csv")
    with pytest.raises(RunError, match=rf"expected epochs 1 to {epochs}, got {epochs - 1}"):
        read_history(tmp_path / "history.csv", epochs)


def test_a_report_is_one_short_line():
    validated = "epoch 3  loss 0.5000  accuracy 90.00%  val_loss 0.1000  val_accuracy 95.00%  1,000 images/s"
    assert repr(report(3, 0.1)) == str(report(3, 0.1)) == validated
    assert str(report(3, math.nan)) == "epoch 3  loss 0.5000  accuracy 90.00%  1,000 images/s"
