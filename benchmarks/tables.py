"""Tables in Markdown, printed a row at a time, as each is measured."""

from statistics import mean, stdev


def print_header(*names: str) -> None:
    print_row(*names)
    print_row(*["---"] * len(names))


def print_row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def spread(values: list[float]) -> str:
    """Returns the mean, the standard deviation (n - 1), and each value, with two decimals."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    each = ", ".join(f"{value:.2f}" for value in values)
    return f"{mean(values):.2f} ± {stdev(values):.2f} ({each})"
