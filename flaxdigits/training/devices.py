"""Where to train: the local devices of one kind, as a mesh over which the batch is divided."""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from flaxdigits.errors import DeviceError

BATCH_AXIS = "batch"
EXTRAS = {"gpu": "flaxdigits[cuda]", "tpu": "flaxdigits[tpu]"}


def make_mesh(device: str, batch_size: int) -> Mesh:
    """Returns a mesh over as many local devices as divide the batch evenly.

    Args:
        device: "auto" for the fastest kind there is, or "cpu", "gpu", "tpu".
        batch_size: digits a step, over all devices together.

    Raises:
        DeviceError: where there is no such device, with what to install.
    """
    devices = local_devices(device)
    count = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return jax.make_mesh((count,), (BATCH_AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def local_devices(device: str) -> list[jax.Device]:
    """Lists this machine's devices of one kind, or of the fastest kind for "auto"."""
    try:
        return jax.local_devices(backend=None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:  # the latter for an unknown name in JAX_PLATFORMS
        hint = f"; its support comes with: pip install '{EXTRAS[device]}'" if device in EXTRAS else ""
        raise DeviceError(f"--device {device}: JAX finds none here, only {_kinds()}{hint}") from error


def _kinds() -> str:
    """Names the kinds of devices that JAX finds."""
    try:
        return ", ".join(sorted({device.platform for device in jax.local_devices()}))
    except (RuntimeError, AssertionError):
        return "what JAX_PLATFORMS names, which is not there either"


def describe(mesh: Mesh) -> str:
    """Says which devices a mesh uses, such as "2 of 2 gpu (NVIDIA H200)"."""
    first = mesh.devices.flat[0]
    kind = "" if first.device_kind == first.platform else f" ({first.device_kind})"
    return f"{mesh.size} of {len(jax.local_devices(backend=first.platform))} {first.platform}{kind}"


def replicated(mesh: Mesh) -> NamedSharding:
    """Says: a whole copy on each device."""
    return NamedSharding(mesh, PartitionSpec())


def divided(mesh: Mesh) -> NamedSharding:
    """Says: the first axis cut evenly over the devices."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXIS))
