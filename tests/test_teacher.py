from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from flaxdigits.errors import ConfigError, RunError
from flaxdigits.recognizer import Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_DEFORMATION, Deformation, TrainConfig
from flaxdigits.training.export import export
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.network import Network, init_params, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.targets import ask, ask_once, no_answers
from flaxdigits.training.teacher import load_teacher
from flaxdigits.training.weights import predict_logits, trained_weights, weights_sha256

TEACHER = TrainConfig(hidden=(32, 16), members=2, batch_size=64, epochs=2)
PUPIL = TrainConfig(hidden=(32,), batch_size=64, epochs=1, deformation=Deformation(anneal=0))


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
            load_teacher(config, source, source.split(config.validation, config.seed)[1])
    without_writers = replace(digits, writers=None)  # are split otherwise, by the same validation and seed
    with pytest.raises(ConfigError, match="hold out the same digits"):
        load_teacher(taught, without_writers, without_writers.split(0.1, 0)[1])
    assert load_teacher(taught.changed(seed=1, validation=0), digits, None)  # judged by nothing that the teacher knows


def test_a_teacher_that_is_not_there_is_named(digits, tmp_path):
    with pytest.raises(RunError, match="nowhere: not a run directory"):
        fit(digits, PUPIL.changed(teachers=("nowhere",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_lessons_come_again_and_are_the_same_after_an_interruption(teacher, digits, tmp_path):
    config = PUPIL.changed(teachers=(str(teacher),), lesson_epochs=2, epochs=5)
    whole, stopped = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    list(fit(digits, config, whole.path))
    training = fit(digits, config, stopped.path)
    for _ in range(3):  # into the second time
        next(training)
    training.close()
    list(resume(digits, stopped))
    weights = [weights_sha256(trained_weights(run)[1]) for run in (whole, stopped)]
    assert weights[0] == weights[1]


def test_a_teacher_s_answers_are_asked_for_once_and_known_by_heart(teacher, digits):
    config, params = trained_weights(teacher)
    network = Network(make_graph(config), params)
    pixels = jnp.asarray(digits.images[:64], jnp.float32)
    answers = no_answers(PUPIL.changed(lesson_epochs=1, teachers=("any",)), 2)
    first, answers = ask_once(network, pixels, answers, jnp.int32(1), 1.0)
    np.testing.assert_allclose(first, ask(network, pixels, 1.0), atol=1e-3)  # as float16
    again, answers = ask_once(network, 255 - pixels, answers, jnp.int32(3), 1.0)  # lesson 1 once more
    np.testing.assert_array_equal(again, first)
    other, _ = ask_once(network, 255 - pixels, answers, jnp.int32(2), 1.0)
    np.testing.assert_allclose(other, ask(network, 255 - pixels, 1.0), atol=1e-3)


def test_a_taught_run_can_be_exported(teacher, digits, tmp_path):
    list(fit(digits, PUPIL.changed(teachers=(str(teacher),), lesson_epochs=1), tmp_path / "run"))
    metadata = Recognizer(export(tmp_path / "run").path).metadata
    assert metadata["teacher_sha256"] == weights_sha256(trained_weights(teacher)[1])


def test_lessons_and_an_annealed_deformation_do_not_go_together():
    with pytest.raises(ConfigError, match="lesson_epochs: expected 0 unless deformation.anneal is 0, got 1"):
        PUPIL.changed(lesson_epochs=1, teachers=("any",), deformation=Deformation())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lesson_epochs": 2}, "lesson_epochs: expected 0 without teachers, got 2"),
        ({"teacher_temperature": 2.0}, "teacher_temperature: expected 1 without teachers, got 2.0"),
        ({"teachers": ("runs/a", "")}, r"teachers: expected names of runs, got \['runs/a', ''\]"),
    ],
)
def test_what_needs_teachers_is_refused_without(changes, expected):
    with pytest.raises(ConfigError, match=expected):
        PUPIL.changed(**changes)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_teacher_says_what_it_says_uncompiled(precision, mnist_test):
    # jaxlib 0.12.0 gets a reduction wrong that it compiles into a bfloat16 layer's kernel on a CPU
    config = TrainConfig(hidden=(64, 64, 64), precision=precision)
    teacher = Network(make_graph(config), init_params(config))
    pixels = jnp.asarray(mnist_test.images[:512], jnp.float32)
    compiled = jax.jit(ask, static_argnums=2)(teacher, pixels, 1.0)
    np.testing.assert_allclose(compiled, ask(teacher, pixels, 1.0), atol=0.02)
