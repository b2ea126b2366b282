"""The protocol of a peer: it prints the seconds of its first step or call, then a figure for each line it is sent."""

import json
import resource
import sys
import time

SECONDS = 1.0  # a round


def serve(work, first, figure, amount):
    """Warms up, then answers each line of standard input with the figure of one round."""
    began = time.perf_counter()
    work(1)
    print(json.dumps({first: time.perf_counter() - began}), flush=True)
    work(3)
    began = time.perf_counter()
    work(3)
    count = max(1, int(SECONDS * 3 / (time.perf_counter() - began)))
    for _ in sys.stdin:
        began = time.perf_counter()
        work(count)
        print(json.dumps({figure: amount * count / (time.perf_counter() - began)}), flush=True)
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
