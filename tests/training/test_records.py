import json
from dataclasses import fields

import numpy as np
import pytest

from flaxdigits import Digits
from flaxdigits.errors import DataError, RunError
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_AUGMENTATION, TrainConfig
from flaxdigits.training.fit import fit
from flaxdigits.training.records import Provenance, load_held_out

SMALL = TrainConfig(hidden=(8,), epochs=1, batch_size=64, validation=0.3, augmentation=NO_AUGMENTATION)


@pytest.fixture(scope="module")
def source(mnist_train, tmp_path_factory):
    digits = mnist_train[:300]
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, images=digits.images, labels=digits.labels, writers=digits.writers)
    return path, digits


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("runs") / "run")
    list(fit(source[0], SMALL, run))
    return run


def test_the_held_out_digits_are_those_of_the_split(run, source):
    held_out = load_held_out(run)
    assert held_out.sha256 == source[1].split(0.3, 0)[1].sha256
    assert Provenance.read(run.data).held_out_sha256 == held_out.sha256


def test_a_run_that_held_out_nothing_is_refused(source, tmp_path):
    list(fit(source[0], SMALL.changed(validation=0.0), tmp_path / "run"))
    with pytest.raises(DataError, match="held out no digits"):
        load_held_out(Run(tmp_path / "run"))


def test_changed_digits_are_refused(run, source):
    digits = source[1]
    changed = Digits(255 - digits.images, digits.labels, digits.writers, digits.name)
    with pytest.raises(RunError, match="began with other digits"):
        Provenance.read(run.data).check(run, changed, None, TrainConfig.from_toml(run.config))


def test_a_configuration_of_another_version_is_named(run):
    provenance = Provenance.read(run.data)
    provenance.config["members"] = 3
    with pytest.raises(RunError, match="another version of flaxdigits: members: unknown name"):
        provenance.begun_config(run)


@pytest.mark.parametrize(("name", "value"), [("config", None), ("config", []), ("examples", "x"), ("examples", 0)])
def test_values_of_another_type_or_range_are_damage(name, value, tmp_path):
    known = (field.name for field in fields(Provenance))
    whole = dict.fromkeys(known, "") | {"examples": 9, "config": {}}
    (tmp_path / "data.json").write_text(json.dumps(whole))
    assert Provenance.read(tmp_path / "data.json").examples == 9
    (tmp_path / "data.json").write_text(json.dumps(whole | {name: value}))
    with pytest.raises(RunError, match=r"data.json: damaged"):
        Provenance.read(tmp_path / "data.json")
