"""Runs a benchmark, `python -m benchmarks NAME`, or the quick ones."""

import sys
from importlib import import_module

from flaxdigits.errors import FlaxdigitsError

QUICK = ("cold_start", "reading", "photos", "gradients", "training")
# These need other environments, Node.js and Chromium, the runs of `just ship`, or much time.
NAMED = (
    *("peers", "gpu", "web", "pages", "refusal", "own_hand", "scale", "precisions", "seeds", "sizes", "sure"),
    *("ablation", "pretraining", "record", "ray_predict"),
)


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "quick"
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(helped(wanted))
        return
    if wanted not in ("quick", *QUICK, *NAMED):
        sys.exit(f"no benchmark {wanted!r}; there are: quick (which is {', '.join(QUICK)}), {', '.join(NAMED)}")
    for name in QUICK if wanted == "quick" else (wanted,):
        print(f"== {name}", flush=True)
        try:
            import_module(f"benchmarks.{name}").main()
        except FlaxdigitsError as error:
            sys.exit(f"benchmarks: {error}")


def helped(wanted: str) -> str:
    """Returns the help: the docstring of a benchmark's module, or the list of benchmarks."""
    if wanted in (*QUICK, *NAMED):
        return str(import_module(f"benchmarks.{wanted}").__doc__).strip()
    return f"just bench runs the quick ones: {', '.join(QUICK)}\njust bench NAME [--help]: {', '.join(NAMED)}"


if __name__ == "__main__":
    main()
