"""Runs the benchmarks: `python -m benchmarks [NAME]`, or all but the long ones."""

import sys
from importlib import import_module

QUICK = ("cold_start", "reading", "gradients", "training", "web")
LONG = ("seeds", "sizes", "precisions")


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    if wanted not in ("all", *QUICK, *LONG):
        sys.exit(f"no benchmark {wanted!r}; there are: all, {', '.join((*QUICK, *LONG))}")
    for name in QUICK if wanted == "all" else (wanted,):
        print(f"== {name}", flush=True)
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
