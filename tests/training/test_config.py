from typing import get_args

import pytest

from flaxdigits.errors import ConfigError
from flaxdigits.inference import shipped
from flaxdigits.training.config import Augmentation, TrainConfig
from flaxdigits.training.presets import PRESETS, Preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_toml(name, tmp_path):
    PRESETS[name].save(tmp_path / "config.toml")
    assert TrainConfig.from_toml(tmp_path / "config.toml") == PRESETS[name]


def test_the_names_of_the_presets_are_all_that_can_be_chosen():
    assert get_args(Preset) == tuple(PRESETS)


def test_a_change_survives_toml(tmp_path):
    config = TrainConfig(hidden=(7, 5), label_smoothing=0, augmentation=Augmentation(rotation=3), seed=9)
    config.save(tmp_path / "config.toml")
    assert TrainConfig.from_toml(tmp_path / "config.toml") == config


def test_a_field_that_a_file_leaves_out_has_its_default(tmp_path):
    (tmp_path / "config.toml").write_text("epochs = 3\n[augmentation]\nrotation = 5\n")
    expected = TrainConfig(epochs=3, augmentation=Augmentation(rotation=5.0))
    assert TrainConfig.from_toml(tmp_path / "config.toml") == expected


def test_the_reference_is_the_original_recipe():
    # original-readme: 3000-2000-1000-500-250-64, Adam; Keras's Adam defaults to 1e-3
    reference = PRESETS["reference"]
    assert reference.hidden == (3000, 2000, 1000, 500, 250, 64)
    assert (reference.optimizer, reference.learning_rate, reference.batch_size) == ("adam", 1e-3, 32)
    assert (reference.initializer, reference.adam_epsilon) == ("glorot_uniform", 1e-7)  # Keras's defaults
    assert reference.epochs == 100
    assert reference.augmentation.is_identity
    assert (reference.label_smoothing, reference.ema_decay, reference.schedule) == (0, 0, "constant")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 0", "epochs: expected 1 or more, got 0"),
        ("epochs = 1.5", "epochs: expected a value of type int, got 1.5"),
        ("hidden = []", "hidden: expected widths above 0, got []"),
        ("hidden = [10, 0]", "hidden: expected widths above 0, got [10, 0]"),
        ('hidden = "10"', "hidden: expected a list of integers, got 10"),
        ("learning_rate = -1", "learning_rate: expected above 0, got -1.0"),
        ("learning_rate = nan", "learning_rate: expected a finite number, got nan"),
        ("hidden = [100000, 100000]", "hidden: expected at most 500,000,000 parameters, got 10079700011"),
        ("validation = 1.0", "validation: expected from 0 to below 1, got 1.0"),
        ("ema_decay = 1.0", "ema_decay: expected from 0 to below 1, got 1.0"),
        ('optimizer = "sgd"', "optimizer: expected adam or adamw, got sgd"),
        ('precision = "float16"', "precision: expected auto or float32 or bfloat16, got float16"),
        ("anneal = 0", "anneal: unknown name; anneal belongs under [augmentation]"),
        ("epohcs = 3", "epohcs: unknown name; did you mean epochs?"),
        ("[augmentation]\nrotate = 3", "augmentation.rotate: unknown name; did you mean augmentation.rotation?"),
        ("augmentation = 3", "augmentation: expected a table, got 3"),
        ("[augmentation]\nelastic_sigma = 0", "augmentation.elastic_sigma: expected from 3 to 28, got 0.0"),
        (f"learning_rate = 1{400 * '0'}", "learning_rate: expected integers of 64 bits"),
        ("[augmentation]\nelastic = -0.5", "augmentation.elastic: expected from 0 to 28, got -0.5"),
    ],
)
def test_an_invalid_value_is_named_with_its_range(text, message, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_toml(path)
    assert str(caught.value) == f"{path}: {message}"


def test_types_are_checked_wherever_a_configuration_is_made():
    assert TrainConfig(hidden=[16, 8]) == TrainConfig(hidden=(16, 8))
    with pytest.raises(ConfigError, match="epochs: expected a value of type int, got '5'"):
        TrainConfig(epochs="5")


@pytest.mark.parametrize(
    "content",
    [
        b"epochs = ",
        b"\xff\xfe",
        b"a = " + b"[" * 9000,
        b"seed = " + b"9" * 5000,
        b"hidden = [\n" + b"9" * 4290 + b"\n]",
        b"hidden = [" + b"9" * 4290 + b", " + b"9" * 4290 + b"]",
        b".".join([b"a"] * 10**5) + b" = 1",
        b'hidden = "\\n"',
    ],
    ids=[
        "cut off",
        "not UTF-8",
        "brackets",
        "many digits",
        "a wide layer",
        "a product of many digits",
        "large",
        "a line end",
    ],
)
def test_a_file_that_is_not_toml_is_refused(content, tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml: [^\n]+$"):
        TrainConfig.from_toml(path)


@pytest.mark.parametrize("name", ["digits.toml", "digits-tiny.toml"])
def test_a_shipped_recipe_without_validation_states_its_temperature_and_threshold(name):
    recipe = TrainConfig.from_toml(shipped.FOLDER / name)
    assert recipe.validation == 0
    assert recipe.temperature > 0
    assert recipe.digitness_threshold > 0


def test_changes_take_precedence_before_a_file_is_validated(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("hidden = [100000, 100000]\n")
    assert TrainConfig.from_toml(path, hidden=(288, 36), epochs=None).hidden == (288, 36)


def test_the_shipped_recipe_is_the_record_preset_on_all_digits():
    recipe = TrainConfig.from_toml(shipped.FOLDER / "digits.toml")
    given = {"temperature": recipe.temperature, "digitness_threshold": recipe.digitness_threshold}
    assert recipe == PRESETS["record"].changed(validation=0, **given)


def test_differences_name_the_fields_that_have_an_effect():
    changed = TrainConfig(epochs=3, device="cpu", checkpoint_seconds=1.0, augmentation=Augmentation(shift=2))
    assert changed.differences(TrainConfig()) == ["epochs: 3, not 50", "augmentation.shift: 2.0, not 1.5"]
    assert TrainConfig(device="cpu", data="elsewhere.npz").differences(TrainConfig()) == []


def test_a_field_that_is_newer_than_a_run_has_its_default():
    values = TrainConfig(epochs=7).to_dict()
    del values["label_smoothing"]
    assert TrainConfig.from_dict(values) == TrainConfig(epochs=7)
