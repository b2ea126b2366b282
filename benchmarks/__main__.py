"""Runs the benchmarks: `python -m benchmarks [NAME]`, or those that need nothing but what is here."""

import sys
from importlib import import_module

from flaxdigits.errors import FlaxdigitsError

QUICK = ("cold_start", "reading", "photos", "gradients", "training")
NAMED = (
    "web",
    "precisions",
    "seeds",
    "sizes",
    "sure",
    "ablation",
    "robustness",
    "members",
    "record",
)  # need Node.js and Chromium, what `just ship` trains, or much time


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    if wanted not in ("all", *QUICK, *NAMED):
        sys.exit(f"no benchmark {wanted!r}; there are: all, {', '.join((*QUICK, *NAMED))}")
    for name in QUICK if wanted == "all" else (wanted,):
        print(f"== {name}", flush=True)
        try:
            import_module(f"benchmarks.{name}").main()
        except FlaxdigitsError as error:
            sys.exit(f"benchmarks: {error}")


if __name__ == "__main__":
    main()
