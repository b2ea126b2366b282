"""Training throughput of the reference network, and its share of the machine's ceiling."""

from pathlib import Path
from statistics import median

from benchmarks.peers.process import OURS, Result, Spec, compare, ratio
from benchmarks.peers.report import Report
from benchmarks.training import flops_an_image
from flaxdigits import PRESETS

BATCH_SIZES = (32, 128, 512, 2048)
Results = dict[str, Result | str]
PRECISIONS = ("float32", "bfloat16")
ROUNDS = 5
PACKED = Spec(f"{OURS}, Adam's moments in bfloat16", "ours", ("moments=bfloat16",))
PEERS = [
    Spec("bare JAX", "bare_jax"),
    Spec("PyTorch", "pytorch"),
    Spec("PyTorch, compiled", "pytorch", ("mode=compile",)),
    Spec("Keras, TensorFlow", "keras_tensorflow"),
    Spec("Keras, JAX", "keras_jax"),
]
CEILINGS = [Spec("PyTorch", "pytorch"), Spec("JAX", "bare_jax")]


def measure(report: Report, data: Path, quick: bool) -> int:
    """Measures and writes the section; returns how many measurements failed."""
    report.heading(
        "Training throughput",
        "The reference network, forward, backward and Adam, images a second; the first step's seconds; memory, MB. "
        "The ratio is flaxdigits' to this peer in the same precision; in the last rows, to the fastest peer of all.",
    )
    rounds = 1 if quick else ROUNDS
    ceilings = dict.fromkeys(PRECISIONS, 0.0) if quick else measure_ceilings(report, data, rounds)
    report.line()
    names = ("batch", "precision", "tool", "images/s", "share of the ceiling", "first step, s", "MB", "flaxdigits is")
    report.table(*names)
    failures = 0
    for batch in (128,) if quick else BATCH_SIZES:
        found = {}
        for precision in PRECISIONS[-1:] if quick else PRECISIONS:
            options = (f"batch={batch}", f"precision={precision}")
            tools = [Spec(OURS, "ours"), *([PACKED] if precision == "bfloat16" else []), *PEERS]
            found[precision] = compare(tools, data, "throughput", *options, rounds=rounds, at_once=quick)
            failures += write_rows(report, batch, precision, found[precision], ceilings[precision])
        compare_fastest(report, batch, found)
    return failures


def measure_ceilings(report: Report, data: Path, rounds: int) -> dict[str, float]:
    """Returns the highest speed of a product in each precision, GFLOP/s, by whichever tool is faster."""
    report.table("product of 2,048 cubed", *(f"{precision}, GFLOP/s" for precision in PRECISIONS))
    rates: dict[str, dict[str, float]] = {spec.name: {} for spec in CEILINGS}
    for precision in PRECISIONS:
        for name, result in compare(CEILINGS, data, "ceiling", f"precision={precision}", rounds=rounds).items():
            rates[name][precision] = rate(result)
    for name, each in rates.items():
        report.row(name, *(f"{each[precision]:,.0f}" for precision in PRECISIONS))
    return {precision: max(each[precision] for each in rates.values()) for precision in PRECISIONS}


def rate(result: Result | str) -> float:
    """Returns the median figure; 0 without any."""
    return median(result.figures) if isinstance(result, Result) else 0.0


def write_rows(report: Report, batch: int, precision: str, found: Results, ceiling: float) -> int:
    """Writes a row for each tool; returns how many failed."""
    for name, result in found.items():
        if isinstance(result, str):
            report.row(batch, precision, name, result, "", "", "", "")
            continue
        share = f"{rate(result) * flops_an_image(PRESETS['reference']) / 1e9 / ceiling:.0%}" if ceiling else ""
        numbers = (f"{rate(result):,.0f}", share, f"{result.first_seconds:.1f}", f"{result.peak_mb:,.0f}")
        report.row(batch, precision, name, *numbers, "" if name.startswith(OURS) else times(found[OURS], result))
    return sum(isinstance(result, str) for result in found.values())


def compare_fastest(report: Report, batch: int, found: dict[str, Results]) -> None:
    """Writes the rows of flaxdigits in its best precision, against the fastest peer in its own."""
    rates = {(precision, name): rate(result) for precision, each in found.items() for name, result in each.items()}
    peer = max((key for key in rates if not key[1].startswith(OURS)), key=rates.__getitem__)
    best = max((key for key in rates if key[1] == OURS), key=rates.__getitem__)
    for ours in (best, *(key for key in rates if key[1] == PACKED.name)):
        faster = f"{rates[ours] / rates[peer]:.2f} times as fast"
        name = f"**{ours[1]}**, against {peer[1]} in {peer[0]}"
        report.row(batch, ours[0], name, f"{rates[ours]:,.0f}", "", "", "", faster)


def times(ours: Result | str, theirs: Result | str) -> str:
    """Returns how many times as fast flaxdigits is, from the rounds in which both took turns."""
    if isinstance(ours, str) or isinstance(theirs, str):
        return ""
    return f"{ratio(ours, theirs):.2f} times as fast"
