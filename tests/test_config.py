import pytest

from flaxdigits import shipped
from flaxdigits.errors import ConfigError
from flaxdigits.training.config import Deformation, TrainConfig
from flaxdigits.training.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_toml(name, tmp_path):
    PRESETS[name].save(tmp_path / "config.toml")
    assert TrainConfig.from_toml(tmp_path / "config.toml") == PRESETS[name]


def test_a_change_survives_toml(tmp_path):
    config = TrainConfig(hidden=(7, 5), label_smoothing=0, deformation=Deformation(rotation=3), seed=9)
    config.save(tmp_path / "config.toml")
    assert TrainConfig.from_toml(tmp_path / "config.toml") == config


def test_what_a_file_leaves_out_has_its_default(tmp_path):
    (tmp_path / "config.toml").write_text("epochs = 3\n[deformation]\nrotation = 5\n")
    expected = TrainConfig(epochs=3, deformation=Deformation(rotation=5.0))
    assert TrainConfig.from_toml(tmp_path / "config.toml") == expected


def test_the_reference_is_the_original_recipe():
    # original-readme: 3000-2000-1000-500-250-64, Adam; Keras's Adam defaults to 1e-3
    reference = PRESETS["reference"]
    assert reference.hidden == (3000, 2000, 1000, 500, 250, 64)
    assert (reference.optimizer, reference.learning_rate, reference.batch_size) == ("adam", 1e-3, 32)
    assert (reference.initializer, reference.adam_epsilon) == ("glorot_uniform", 1e-7)  # Keras's defaults
    assert reference.epochs == 100
    assert reference.deformation.is_none
    assert (reference.label_smoothing, reference.ema_decay, reference.schedule) == (0, 0, "constant")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 0", "epochs: expected 1 or more, got 0"),
        ("epochs = 1.5", "epochs: expected a value of type int, got 1.5"),
        ("hidden = []", "hidden: expected widths above 0, got []"),
        ("hidden = [10, 0]", "hidden: expected widths above 0, got [10, 0]"),
        ('hidden = "10"', "hidden: expected a list of whole numbers, got 10"),
        ("learning_rate = -1", "learning_rate: expected above 0, got -1.0"),
        ("learning_rate = nan", "learning_rate: expected a finite number, got nan"),
        ("hidden = [100000, 100000]", "hidden: expected at most 500,000,000 parameters, got 10079600010"),
        ("validation = 1.0", "validation: expected from 0 to below 1, got 1.0"),
        ("ema_decay = 1.0", "ema_decay: expected from 0 to below 1, got 1.0"),
        ('optimizer = "sgd"', "optimizer: expected adam or adamw, got sgd"),
        ('precision = "float16"', "precision: expected float32 or bfloat16, got float16"),
        ("patience = 3\nvalidation = 0.0", "patience: expected 0 where nothing is held out, got 3"),
        (
            "patience = 3",
            "patience: expected 0 unless deformation.anneal is 0: what ends early is not annealed, got 3",
        ),
        ("anneal = 0", "anneal: expected it under [deformation], got it outside of that"),
        ("deformation = 3", "deformation: expected a table, got 3"),
        ("[deformation]\nsmoothness = 0", "deformation.smoothness: expected from 3 to 28, got 0.0"),
        ("sharing = 1.0", "sharing: expected from 0 to below 1, got 1.0"),
        ("map_sides = 12", "map_sides: expected a list of whole numbers, got 12"),
        ("map_sides = [15]\nhidden = [225]", "map_sides: expected from 12 to 14 after a map of side 28, got 15"),
        ("map_sides = [11]\nhidden = [121]", "map_sides: expected from 12 to 14 after a map of side 28, got 11"),
        ("map_sides = [12, 7]\nhidden = [144, 49]", "map_sides: expected from 4 to 6 after a map of side 12, got 7"),
        (
            "map_sides = [12]\nhidden = [144]\npatience = 1\n[deformation]\nanneal = 0",
            "patience: expected 0 with map_sides: weights set free are worse at first than shared ones, got 1",
        ),
        ("map_sides = [12, 6]\nhidden = [288]", "map_sides: expected at most one for each hidden layer, got [12, 6]"),
        (
            "map_sides = [12]\nhidden = [300]",
            "hidden: expected a multiple of 144 units on a map of side 12 (none with map_sides = []), got 300",
        ),
        ("[deformation]\nelastic = -0.5", "deformation.elastic: expected from 0 to 28, got -0.5"),
    ],
)
def test_what_cannot_work_is_named(text, message, tmp_path):
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
    ("sharing", "epochs", "shared"), [(0.29, 100, 29), (0.4, 2, 1), (0.9, 1, 0), (0.99, 2, 1), (0.0, 9, 0)]
)
def test_at_least_one_epoch_is_left_to_the_free_weights(sharing, epochs, shared):
    config = TrainConfig(hidden=(144, 16), map_sides=(12,), sharing=sharing, epochs=epochs)
    assert config.shared_epochs == shared
    assert TrainConfig(sharing=sharing, epochs=epochs).shared_epochs == 0


def test_the_name_of_a_configuration_is_of_what_has_a_part_in_the_result():
    config = TrainConfig()
    assert config.changed(device="cpu", checkpoint_seconds=1.0).sha256 == config.sha256
    assert config.changed(seed=1).sha256 != config.sha256


@pytest.mark.parametrize("text", ["epoch = 3", "[deformation]\nrotate = 3"])
def test_an_unknown_name_is_refused_with_the_known_ones(text, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="expected one of .*, got an unknown name"):
        TrainConfig.from_toml(path)


@pytest.mark.parametrize("content", [b"epochs = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused(content, tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml: "):
        TrainConfig.from_toml(path)


def test_what_is_changed_counts_before_a_file_is_checked(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("hidden = [144, 32]\nlesson_epochs = 1\nmap_sides = [12]\n[deformation]\nanneal = 0\n")
    found = TrainConfig.from_toml(path, teachers=("runs/one",), hidden=(288, 16), epochs=None)
    bent = Deformation(anneal=0)
    assert found == TrainConfig(
        hidden=(288, 16), lesson_epochs=1, map_sides=(12,), teachers=("runs/one",), deformation=bent
    )


def test_the_shipped_recipe_is_the_record_preset_on_all_digits_taught_by_three_of_the_same():
    teacher, pupil = (TrainConfig.from_toml(shipped.FOLDER / name) for name in ("digits-teacher.toml", "digits.toml"))
    assert teacher == PRESETS["record"].changed(validation=0, temperature=0.69)
    assert pupil == teacher.changed(teachers=tuple(f"runs/record/seed{seed}" for seed in range(3)))


@pytest.mark.parametrize("name", ["digits.toml", "digits-teacher.toml", "digits-tiny.toml"])
def test_a_shipped_recipe_that_holds_nothing_out_states_its_temperature(name):
    recipe = TrainConfig.from_toml(shipped.FOLDER / name)
    assert recipe.validation == 0
    assert recipe.temperature > 0
