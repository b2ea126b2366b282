import math

import pytest

from flaxdigits.errors import RunError
from flaxdigits.runs import Run
from flaxdigits.training.history import EpochReport, history_text, parse_history, read_history


def report(epoch, val_loss=0.25):
    return EpochReport(epoch, 10 * epoch, 1e-3, 0.5, 0.9, val_loss, 0.95, 0.8, 0.5, 1.5, 1000.0)


def test_a_history_survives_its_file():
    reports = [report(1), report(2, 0.12345679104)]
    assert parse_history(history_text(reports)) == reports


def test_a_figure_that_does_not_exist_is_an_empty_cell():
    text = history_text([report(1, math.nan)])
    assert ",0.9,,0.95," in text
    assert math.isnan(parse_history(text)[0].val_loss)


def test_there_is_no_history_before_the_first_epoch():
    assert parse_history("") == parse_history(history_text([])) == []


@pytest.mark.parametrize("epochs", [(2,), (1, 1), (1, 3)])
def test_epochs_that_are_missing_or_twice_there_are_an_error(epochs):
    with pytest.raises(ValueError, match="an epoch is missing or twice there"):
        parse_history(history_text([report(epoch) for epoch in epochs]))


def test_a_damaged_history_is_an_error_that_says_who_restores_it(tmp_path):
    run = Run(tmp_path)
    run.history.write_text(history_text([report(1)])[:-20])
    with pytest.raises(RunError, match=r"history.csv: damaged: .*; flaxdigits.resume restores it"):
        read_history(run)


def test_a_report_is_one_short_line():
    validated = "epoch 3  loss 0.5000  accuracy 90.00%  val_loss 0.1000  val_accuracy 95.00%  1,000 images/s"
    assert repr(report(3, 0.1)) == str(report(3, 0.1)) == validated
    assert str(report(3, math.nan)) == "epoch 3  loss 0.5000  accuracy 90.00%  1,000 images/s"
