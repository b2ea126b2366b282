"""The precision that is fastest on a device, and the XLA options that make it so. The figures are in docs/speed.md."""

from functools import cache
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from flaxdigits.training.config import Precision

CPU_FLAGS = Path("/proc/cpuinfo")

# Without these, XLA computes bfloat16 products with a transposed left operand, such as every weight gradient, in
# a loop of its own, and the others with YNNPACK. oneDNN takes all of them once YNNPACK is limited to reductions.
ONEDNN: dict[str, Any] = {
    "xla_cpu_experimental_onednn_custom_call": True,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE",
}
ONEDNN_SINCE = (0, 12)  # the first JAX that has oneDNN's bfloat16 products on a CPU
BFLOAT16_UNITS = {"amx_bf16", "avx512_bf16"}  # the second on AMD since Zen 4, and on Intel's Xeons


def fastest_precision(mesh: Mesh) -> Precision:
    """Returns bfloat16 if the devices have units for it that JAX can use, otherwise float32."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu":
        return "bfloat16" if uses_onednn(mesh) else "float32"
    if device.platform == "gpu":  # from Ampere on; an AMD device reports a name, such as gfx90a
        capability = getattr(device, "compute_capability", "")
        return "bfloat16" if capability[:1].isdigit() and float(capability) >= 8 else "float32"
    return "bfloat16"


def compiler_options(precision: Precision, mesh: Mesh) -> dict[str, Any] | None:
    """Returns the `jax.jit` options with which this precision is fastest on the devices; None for XLA's defaults."""
    return ONEDNN if precision == "bfloat16" and uses_onednn(mesh) else None


def uses_onednn(mesh: Mesh) -> bool:
    """Returns whether the devices are a CPU with bfloat16 units that this JAX can use."""
    return has_bfloat16_units(mesh) and jax.__version_info__ >= ONEDNN_SINCE


def needs_newer_jax(mesh: Mesh) -> bool:
    """Returns whether the devices are a CPU with bfloat16 units that this JAX is too old to use."""
    return has_bfloat16_units(mesh) and jax.__version_info__ < ONEDNN_SINCE


def has_bfloat16_units(mesh: Mesh) -> bool:
    """Returns whether the devices are a CPU with bfloat16 units."""
    return mesh.devices.flat[0].platform == "cpu" and not BFLOAT16_UNITS.isdisjoint(cpu_flags())


@cache
def cpu_flags() -> frozenset[str]:
    """Returns the instruction set extensions of this machine's processor, as Linux names them; empty elsewhere."""
    try:
        lines = CPU_FLAGS.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())
