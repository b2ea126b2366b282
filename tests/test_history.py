import math

from flaxdigits.training.history import EpochReport, read_history, stale_epochs, write_history


def report(epoch, val_loss):
    return EpochReport(epoch, 10 * epoch, 1e-3, 0.5, 0.9, val_loss, 0.95, 0.8, 1.5, 1000.0)


def test_a_history_survives_its_file(tmp_path):
    reports = [report(1, 0.25), report(2, 0.125)]
    write_history(reports, tmp_path / "history.csv")
    assert read_history(tmp_path / "history.csv") == reports


def test_a_report_compares_after_reading_as_it_did_before_writing(tmp_path):
    reports = [report(1, 0.12345679104), report(2, 0.9)]
    write_history(reports, tmp_path / "history.csv")
    again = [*read_history(tmp_path / "history.csv"), report(3, 0.12345679104)]
    assert stale_epochs(again) == stale_epochs([*reports, report(3, 0.12345679104)]) == 2


def test_what_was_not_measured_is_an_empty_cell(tmp_path):
    write_history([report(1, math.nan)], tmp_path / "history.csv")
    assert ",0.9,,0.95," in (tmp_path / "history.csv").read_text()
    assert math.isnan(read_history(tmp_path / "history.csv")[0].val_loss)


def test_there_is_no_history_before_the_first_epoch(tmp_path):
    assert read_history(tmp_path / "history.csv") == []


def test_stale_epochs_are_counted_from_the_best():
    assert [stale_epochs([report(i, loss) for i, loss in enumerate(losses)]) for losses in ([3, 2], [2, 3, 3], [])] == [
        0,
        2,
        0,
    ]
