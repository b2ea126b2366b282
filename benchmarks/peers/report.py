"""The results file: a description of the machine, and tables in Markdown, printed as they are measured."""

import datetime
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from flaxdigits import atomic
from flaxdigits.training.precision import cpu_flags

RESULTS = Path(__file__).parents[1] / "results"
EXTENSIONS = (
    "avx2",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "avx512_vnni",
    "amx_bf16",
    "amx_int8",
)  # as Linux has them
PACKAGES = ("jax", "flax", "optax", "onnxruntime", "numpy")


class Report:
    """Collects what is printed, and writes it as one file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str = "") -> None:
        """Prints a line, and keeps it."""
        print(text, flush=True)
        self.lines.append(text)

    def heading(self, title: str, text: str) -> None:
        """Begins a section."""
        self.line(f"\n## {title}\n\n{text}\n")

    def table(self, *names: str) -> None:
        """Begins a table."""
        self.row(*names)
        self.row(*["---"] * len(names))

    def row(self, *cells: object) -> None:
        """Adds a row to the table."""
        self.line(f"| {' | '.join(map(str, cells))} |")

    def save(self, path: Path) -> None:
        """Writes the file."""
        path.parent.mkdir(exist_ok=True)
        atomic.write_text(path, "\n".join(self.lines).strip() + "\n")


def cpu() -> dict[str, str]:
    """Returns Linux's description of the first processor; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def processor() -> str:
    """Returns the processor's name, with its family and model if the name says little."""
    found = cpu()
    name = found.get("model name", platform.processor() or platform.machine())
    numbers = f"family {found['cpu family']}, model {found['model']}" if "model" in found else ""
    return f"{name} ({numbers})" if numbers else name


def describe(report: Report, command: str) -> None:
    """Writes the heading: the machine, the versions and the command."""
    extensions = [name for name in EXTENSIONS if name in cpu_flags()]
    report.line(f"# {processor()}")
    report.line()
    report.line(f"{os.cpu_count()} cores; {', '.join(extensions) or 'extensions unknown'}; {platform.system()}.")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    report.line(f"Python {platform.python_version()}, {packages}; the peers' versions are in their scripts' headers.")
    report.line("All with huge pages (GLIBC_TUNABLES=glibc.malloc.hugetlb=1), but commands that are timed cold.")
    report.line(f"`{command}`, {datetime.datetime.now(datetime.UTC):%Y-%m-%d}.")


def results_path(device: str) -> Path:
    """Returns the results file of a device, such as nvidia-h200.md for "NVIDIA H200"."""
    return RESULTS / f"{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}.md"
