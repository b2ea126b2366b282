"""Makes untrusted text, such as a file name, safe to display: one line without control characters."""

import re

# Characters that move a terminal's cursor, change colours, end a line or change text direction (Unicode TR 36).
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
LONGEST = 3000  # characters of an error; a path has 4,096 at most


def printable(text: str) -> str:
    r"""Returns text in one line, with control characters escaped as in Python: a line feed as `\n`."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """Returns text as `printable` does, with the middle left out if it is too long."""
    line = printable(text)
    half = LONGEST // 2
    return line if len(line) <= LONGEST else f"{line[:half]} ... {line[-half:]}"
