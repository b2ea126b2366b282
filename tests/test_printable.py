import pickle

import pytest

from flaxdigits.errors import DataError, RunError
from flaxdigits.printable import CONTROL, LONGEST, printable


def test_control_characters_are_written_out_and_other_text_stays():
    assert printable("a\n\x1b[2J\x9b\x7f\u202eb") == r"a\n\x1b[2J\x9b\x7f\u202eb"
    assert printable("Größe 7 \u00a0 \N{DIGIT SEVEN}.png\udcff") == "Größe 7 \u00a0 7.png\udcff"
    assert printable(r"a\n") == r"a\n"


@pytest.mark.parametrize("text", ["", "7.png", "a\tb\r\n"])
def test_what_was_made_printable_stays_as_it_is(text):
    assert not CONTROL.search(printable(text))
    assert printable(printable(text)) == printable(text)


def test_every_error_is_one_printable_line_of_bounded_length():
    error = RunError("runs/\x1b]0;owned\x07", "damaged\nat\r" + "9" * 10**6, "look at\n\x1b[31mit")
    assert str(error).startswith(r"runs/\x1b]0;owned\x07: damaged\nat\r999")
    assert str(error).endswith(r"9; look at\n\x1b[31mit")
    assert len(error.message) == LONGEST + len(" ... ")
    assert not CONTROL.search(str(error))


def test_an_error_comes_out_of_another_process_as_it_was():
    error = pickle.loads(pickle.dumps(DataError("a\nb: cut off", "look")))
    assert (str(error), error.hint) == (r"a\nb: cut off; look", "look")
