import os
import subprocess
import sys

import pytest

from flaxdigits.errors import DeviceError
from flaxdigits.training.devices import describe, make_mesh

# Trains one epoch and prints how many devices took part and the losses, for a process of its own:
# the number of devices is fixed when JAX starts.
ONE_EPOCH = """
import flaxdigits
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
digits = flaxdigits.load()[:4000]
config = TrainConfig(hidden=(64, 32), batch_size=256, epochs=1)
(report,) = flaxdigits.fit(digits, config, "run")
print(make_mesh("auto", 256).size, report.train_loss, report.val_loss)
"""


def run_with_devices(count, folder):
    folder.mkdir()
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
    done = subprocess.run(
        [sys.executable, "-c", ONE_EPOCH], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


@pytest.mark.slow
def test_eight_devices_give_the_losses_of_one(tmp_path):
    one, eight = run_with_devices(1, tmp_path / "one"), run_with_devices(8, tmp_path / "eight")
    assert (one[0], eight[0]) == (1, 8)
    assert eight[1:] == pytest.approx(one[1:], abs=1e-4)


@pytest.mark.parametrize("device", ["gpu", "tpu"])
def test_a_missing_device_is_named_with_its_extra(device):
    extra = {"gpu": "cuda", "tpu": "tpu"}[device]
    with pytest.raises(
        DeviceError, match=rf"no device of kind '{device}': JAX finds cpu; .* pip install .*\[{extra}\]'"
    ):
        make_mesh(device, 512)


def test_a_mesh_is_described():
    assert describe(make_mesh("cpu", 512)) == "1 cpu"
