"""The fuzzer itself: that it reproduces its inputs, and that it detects every kind of defect."""

import warnings

import pytest

from flaxdigits.errors import DataError
from fuzzing import __main__ as fuzzer
from fuzzing import inputs, readers, worker

SOME = 25  # damaged inputs of each reader, in this process


@pytest.mark.parametrize("reader", readers.READERS)
def test_an_input_is_made_from_its_seed_and_number_alone(reader):
    def made(seed):
        return [inputs.damaged(reader, number, seed) for number in range(5)]

    assert made(1) == made(1)
    assert made(1) != made(2)


@pytest.mark.parametrize("reader", readers.READERS)
def test_a_valid_file_is_read(reader, tmp_path):
    for number, content in enumerate(inputs.valid(reader)[:3]):
        inputs.write(content, tmp_path / str(number))
        assert worker.outcome(reader, tmp_path / str(number)) == {"outcome": "read", "words": ""}


@pytest.mark.parametrize("reader", readers.READERS)
def test_damaged_files_are_read_rightly_or_refused_in_one_line(reader, tmp_path):
    for number in range(SOME):
        inputs.write(inputs.damaged(reader, number, 0), tmp_path / str(number))
        found = worker.outcome(reader, tmp_path / str(number))
        assert found["outcome"] in ("read", "refused"), (number, found)


def wrong(path):
    readers.require(path.name == "another", "pixels")


def refusing(words):
    def read(path):
        raise DataError(words.replace("PATH", str(path)))

    return read


def warning(path):
    warnings.warn("odd", stacklevel=1)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (wrong, "wrong value: pixels"),
        (lambda path: 1 / 0, "ZeroDivisionError: division by zero"),
        (refusing("cut off"), "the message does not name the file: cut off"),
        (warning, "warns: UserWarning: odd"),
    ],
    ids=["a wrong value", "a traceback", "a refusal without a name", "a warning"],
)
def test_a_defect_is_seen(read, words, monkeypatch, tmp_path):
    monkeypatch.setitem(readers.READERS, "csv", read)
    found = worker.outcome("csv", tmp_path / "input")
    assert (found["outcome"], found["words"]) == ("defect", words)


def test_a_refusal_is_none(monkeypatch, tmp_path):
    monkeypatch.setitem(readers.READERS, "csv", refusing("PATH: cut off"))
    assert worker.outcome("csv", tmp_path / "input")["outcome"] == "refused"


def test_a_process_that_ends_or_hangs_is_a_defect_of_its_input(tmp_path, monkeypatch):
    crash = fuzzer.Worker("csv", tmp_path / "no such folder").read(tmp_path / "input")
    assert (crash["outcome"], crash["words"]) == ("defect", "ends the process: 1")
    monkeypatch.setattr(fuzzer, "TIME_LIMIT", 0.01)
    hang = fuzzer.Worker("csv", tmp_path).read(tmp_path / "input")
    assert (hang["outcome"], hang["words"]) == ("defect", "takes too long")


def test_too_much_memory_is_a_defect():
    tally = fuzzer.Tally("csv")
    for memory in (2**20, 2**40):
        tally.add(0, {"outcome": "read", "words": "", "seconds": 0.1, "memory": memory})
    assert str(tally) == "| csv | 2 | 1 | 0 | 0 | 0.10 | 1048576 | 1 |"
