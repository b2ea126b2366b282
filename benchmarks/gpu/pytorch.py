"""PyTorch's side of `gpu`: the reference network with Adam, a whole step as one CUDA graph.

A program of its own, which shares no code with flaxdigits and needs nothing but PyTorch: in one process, PyTorch and
JAX would load two versions of CUDA's libraries. It prints its versions in one line, or "no CUDA"; then it reads lines
"BATCH STEPS" and answers each with "done" when the steps are done.
"""

import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import torch
from torch import nn

Step = Callable[[], None]


def make_step(widths: tuple[int, ...], batch: int) -> tuple[Step, torch.optim.Optimizer]:
    """Returns a training step in bfloat16 on one batch, always the same, and its optimizer."""
    layers = [module for i, o in pairwise(widths) for module in (nn.Linear(i, o), nn.ReLU())][:-1]
    model = nn.Sequential(*layers).cuda()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True, capturable=True)
    x = torch.rand(batch, widths[0], device="cuda")
    y = torch.randint(0, widths[-1], (batch,), device="cuda")

    def step() -> None:
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        adam.step()

    return step, adam


def captured(widths: tuple[int, ...], batch: int) -> tuple[torch.cuda.CUDAGraph, Step]:
    """Captures a step as PyTorch's manual says: after a few steps on a side stream, without gradients left.

    Returns:
        The graph, and the step, which holds the tensors that the graph reads: freed, they would be overwritten.
    """
    step, adam = make_step(widths, batch)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    adam.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph, step


def main() -> None:
    if not torch.cuda.is_available():
        print("no CUDA")
        return
    print(f"{torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    widths = tuple(map(int, sys.argv[1:]))
    graph_of = cache(lambda batch: captured(widths, batch))
    for line in sys.stdin:
        batch, steps = map(int, line.split())
        graph, _ = graph_of(batch)
        for _ in range(steps):
            graph.replay()
        torch.cuda.synchronize()
        print("done", flush=True)


if __name__ == "__main__":
    main()
