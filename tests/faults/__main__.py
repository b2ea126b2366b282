"""Injects faults until each was injected so many times, and prints a table: fault, injections, whole runs, seen.

just faults [--count N] [--seed S] [FAULT ...]; needs root on Linux for the small disks, and libfaketime for the clock.
"""

import argparse
import random
import re
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path

from faults.injections import FAULTS, Fault
from faults.trial import Trials, remove
from flaxdigits.runs import Run

IN_ONE_RUN = 6  # injections, at most, before a run is finished and compared
ATTEMPTS = 4  # for each injection, after which a fault counts as one that cannot be injected here


def main() -> None:
    parser = argparse.ArgumentParser(prog="just faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}; all by default")
    parser.add_argument("--count", type=int, default=25, help="injections of each fault")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    words = parser.parse_args()
    print(f"seed {words.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), random.Random(words.seed))
        trials.prepare()
        print(f"an undisturbed training takes {trials.seconds:.1f} s\n", flush=True)
        print("| fault | injected | runs | whole | seen |\n|---|---|---|---|---|", flush=True)
        broken = [name for name in words.faults or FAULTS if not show(name, FAULTS[name], trials, words.count)]
    sys.exit(f"not whole, or not injected: {', '.join(broken)}" if broken else 0)


def show(name: str, fault: Fault, trials: Trials, count: int) -> bool:
    """Injects a fault, prints its row; returns whether it was injected as often as asked, and all runs were whole."""
    seen: list[str] = []
    runs = whole = attempts = 0
    while len(seen) < count and attempts < ATTEMPTS * count:
        run = Run(trials.folder / f"run{runs}")
        for _ in range(min(IN_ONE_RUN, count - len(seen))):
            attempts += 1
            seen += fault(trials, run)
            if run.model.exists():
                break
        trials.finish(run)
        runs, whole = runs + 1, whole + trials.is_whole(run)
        remove(run)
    lines = Counter(shortened(line) for line in seen)
    shown = "; ".join(f"{number} times: {line}".replace("\n", " ") for line, number in lines.most_common())
    print(f"| {name} | {len(seen)} | {runs} | {whole} | {shown} |", flush=True)
    return whole == runs and len(seen) >= count


def shortened(line: str) -> str:
    """Returns a line without what differs from run to run: paths and steps."""
    without_paths = re.sub(r"/tmp/\S*?/run\d+", "RUN", line)
    without_temporary = re.sub(r"/\.(\w+)\.[0-9a-f]{12}\.", r"/\1.", without_paths)
    return re.sub(r"step \d+|\d{3,}", lambda found: "step N" if found[0].startswith("step") else "N", without_temporary)


if __name__ == "__main__":
    main()
