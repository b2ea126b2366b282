"""Devices: a mesh of devices of one kind, across all processes, over which each batch is divided."""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from flaxdigits.errors import DeviceError
from flaxdigits.extras import install_command

BATCH_AXIS = "batch"
MEMORY_OF_CPU = 2**31  # maximum bytes of digits held for a CPU, where streaming costs little
ACCELERATORS = {"gpu": "cuda", "tpu": "tpu"}


def make_mesh(device: str, batch_size: int) -> Mesh:
    """Returns a mesh of as many devices as divide the batch evenly; of all of them if there are several processes.

    Args:
        device: "auto" for the fastest kind available, or "cpu", "gpu", "tpu".
        batch_size: digits per step, over all devices together.

    Raises:
        DeviceError: if there is no such device, or if one of several processes would have no part of the batch.
    """
    devices = find_devices(device)
    count = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    if jax.process_count() > 1 and count < len(devices):
        problem = f"a batch of {batch_size} cannot be divided among the {len(devices)} devices of all processes"
        raise DeviceError(problem, "choose another batch_size")
    return jax.make_mesh((count,), (BATCH_AXIS,), axis_types=(AxisType.Auto,), devices=devices[:count])


def find_devices(device: str) -> list[jax.Device]:
    """Returns the devices of one kind, of the fastest kind for "auto"."""
    try:
        return jax.devices(None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:  # the latter for an unknown name in JAX_PLATFORMS
        hint = f"JAX supports it after: {install_command(ACCELERATORS[device])}" if device in ACCELERATORS else ""
        raise DeviceError(f"no device of kind {device!r}: JAX finds {_kinds()}", hint) from error


def _kinds() -> str:
    """Returns the kinds of devices that JAX finds."""
    try:
        return ", ".join(sorted({device.platform for device in jax.local_devices()}))
    except (RuntimeError, AssertionError):
        return "none of those that JAX_PLATFORMS names"


def describe(mesh: Mesh) -> str:
    """Returns a description of the devices of a mesh, such as "2 gpu (NVIDIA H200)"."""
    first = mesh.devices.flat[0]
    found = len(jax.devices(first.platform))
    unused = "" if mesh.size == found else f" of {found}, since {found} does not divide the batch"
    processes = f" of {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{mesh.size} {describe_kind(first)}{processes}{unused}"


def describe_kind(device: jax.Device) -> str:
    """Returns the kind of a device, such as "cpu" or "gpu (NVIDIA H200)"."""
    return device.platform if device.device_kind == device.platform else f"{device.platform} ({device.device_kind})"


def memory_for_digits(mesh: Mesh) -> int:
    """Returns the maximum bytes of digits to hold on each device: half of the memory that JAX has there."""
    limit = (mesh.local_devices[0].memory_stats() or {}).get("bytes_limit")  # None on a CPU
    return limit // 2 if limit else MEMORY_OF_CPU // mesh.size


def on_one_device(kind: str) -> SingleDeviceSharding:
    """Returns the sharding that places everything on one device of this process."""
    return SingleDeviceSharding(jax.local_devices(backend=kind)[0])


def replicated_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that replicates arrays on all devices."""
    return NamedSharding(mesh, PartitionSpec())


def batches_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a series of batches, each split evenly over the devices."""
    return NamedSharding(mesh, PartitionSpec(None, BATCH_AXIS))


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that splits the first axis evenly over the devices."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXIS))
