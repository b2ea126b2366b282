"""The process that reads: paths go in, a line of JSON comes out for each."""

import json
import os
import re
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from flaxdigits.errors import FlaxdigitsError
from fuzzing.readers import READERS, WrongValueError

ADDRESS_SPACE = 24 * 2**30  # bytes: a reader that would exhaust the machine's memory fails instead
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
DECODERS = ("picture", "page", "zip")  # libtiff, in Pillow, prints its own complaints about damaged data
LONGEST_LINE = 4000  # characters of a refusal, most of which may be a path


def outcome(reader: str, path: Path) -> dict[str, Any]:
    """Reads an input; returns "read", "refused" or "defect", and a description."""
    try:
        with warnings.catch_warnings(record=True, action="always") as warned:
            READERS[reader](path)
    except FlaxdigitsError as error:
        problem = fault_of(str(error), path)
        found = {
            "outcome": "defect" if problem else "refused",
            "words": f"{problem}: {error!s:.300}" if problem else "",
        }
    except WrongValueError as error:
        found = {"outcome": "defect", "words": f"wrong value: {error}"}
    except BaseException as error:
        found = {
            "outcome": "defect",
            "words": f"{type(error).__name__}: {error!s:.200}",
            "trace": traceback.format_exc(),
        }
    else:
        found = {"outcome": "read", "words": ""}
    if warned and found["outcome"] != "defect":
        return {"outcome": "defect", "words": f"warns: {warned[0].category.__name__}: {warned[0].message!s:.200}"}
    return found


def fault_of(message: str, path: Path) -> str:
    """Returns what is wrong with a refusal: it must be one line without control characters that names the file."""
    if CONTROL.search(message):
        return "control characters in the message"
    if str(path) not in message:
        return "the message does not name the file"
    return "a long message" if len(message) > LONGEST_LINE else ""


def peak() -> int:
    """Returns the peak memory since `reset_peak`, bytes."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def reset_peak() -> None:
    """Resets the peak memory (Linux, proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Reads the paths on standard input with a reader, and answers on the original standard output."""
    reader, printed = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(printed, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):  # a library must print nothing
        os.dup2(log, stream)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for line in sys.stdin:
        before = os.fstat(log).st_size
        reset_peak()
        base, start = peak(), time.perf_counter()
        found = outcome(reader, Path(line.rstrip("\n")))
        found |= {"seconds": time.perf_counter() - start, "memory": peak() - base}
        sys.stdout.flush()
        words = Path(printed).read_text(errors="replace")[before:]
        if (words and reader not in DECODERS) or CONTROL.search(words.replace("\n", "")):
            found |= {"outcome": "defect", "words": f"prints: {words:.200}"}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
