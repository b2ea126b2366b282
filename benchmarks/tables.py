"""Tables in Markdown, printed a row at a time, as each is measured."""


def print_header(*names: str) -> None:
    print_row(*names)
    print_row(*["---"] * len(names))


def print_row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
