import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from flaxdigits.errors import ConfigError, RunError
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_DEFORMATION, TrainConfig
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.network import Network, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.targets import ask
from flaxdigits.training.teacher import load_teacher
from flaxdigits.training.weights import predict_logits, trained_weights, weights_sha256

TEACHER = TrainConfig(hidden=(32, 16), members=2, batch_size=64, epochs=2)
PUPIL = TrainConfig(hidden=(32,), batch_size=64, epochs=1)


@pytest.fixture(scope="module")
def digits(mnist_train):
    return mnist_train[:2000]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, digits):
    run = Run(tmp_path_factory.mktemp("teacher") / "run")
    list(fit(digits, TEACHER, run.path))
    return run


def test_the_teacher_s_answers_to_the_very_pixels_are_what_is_learned(teacher, digits):
    config, params = trained_weights(teacher)
    images = digits.images[:20]
    logits = predict_logits(config, params, images)
    found = ask(Network(make_graph(config), params), jnp.asarray(images, jnp.float32), 2.0)
    np.testing.assert_allclose(found, softmax(logits / 2, axis=1), rtol=1e-4, atol=1e-6)


def test_a_pupil_becomes_like_its_teacher_where_labels_would_not_have_it(teacher, digits):
    # two pupils, the same but for what they are told: the one that is taught agrees with the teacher more closely
    recipe = PUPIL.changed(epochs=30, learning_rate=1e-2, deformation=NO_DEFORMATION, label_smoothing=0.0, validation=0)
    held_out = digits.images[:500]
    config, params = trained_weights(teacher)
    wanted = softmax(predict_logits(config, params, held_out), axis=1)
    off = []
    for name in ((), (str(teacher),)):
        run = Run(teacher.path.with_name(f"pupil of {bool(name)}"))
        list(fit(digits, recipe.changed(teachers=name), run.path))
        said = softmax(predict_logits(*trained_weights(run), held_out), axis=1)
        off.append(np.abs(said - wanted).mean())
    assert off[1] < 0.5 * off[0]


def test_a_run_remembers_its_teacher(teacher, digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, PUPIL.changed(teachers=(str(teacher),)), run.path))
    assert Provenance.read(run.data).teacher_sha256 == weights_sha256(trained_weights(teacher)[1])
    text = run.data.read_text()
    run.data.write_text(text.replace('"teacher_sha256": "', '"teacher_sha256": "0'))
    with pytest.raises(RunError, match="weights of its teachers are others"):
        resume(digits, run)


def test_a_teacher_that_knows_the_digits_held_out_is_refused(teacher, digits, mnist_train):
    taught = PUPIL.changed(teachers=(str(teacher),))
    for config, source, expected in (
        (taught.changed(seed=1), digits, "hold out the same digits"),
        (taught.changed(validation=0.2), digits, "hold out the same digits"),
        (taught, mnist_train[:2001], "trained on mnist-train"),
    ):
        with pytest.raises(ConfigError, match=expected):
            load_teacher(config, source)
    assert load_teacher(taught.changed(seed=1, validation=0), digits)  # judged by nothing that the teacher knows


def test_a_teacher_that_is_not_there_is_named(digits, tmp_path):
    with pytest.raises(RunError, match="nowhere: not a run directory"):
        fit(digits, PUPIL.changed(teachers=("nowhere",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
