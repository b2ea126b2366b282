import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d
from scipy.special import softmax

from flaxdigits.errors import ConfigError, RunError
from flaxdigits.runs import Run
from flaxdigits.training.config import NO_DEFORMATION, TrainConfig
from flaxdigits.training.export import export
from flaxdigits.training.fit import fit, resume
from flaxdigits.training.network import Network, init_params, make_graph
from flaxdigits.training.provenance import Provenance
from flaxdigits.training.targets import ask
from flaxdigits.training.teacher import load_teacher
from flaxdigits.training.weights import predict_logits, trained_weights, weights_sha256

TEACHER = TrainConfig(network="convolutional", hidden=(4, 8, 16), batch_size=64, epochs=2)
PUPIL = TrainConfig(hidden=(32,), batch_size=64, epochs=1)


@pytest.fixture(scope="module")
def digits(mnist_train):
    return mnist_train[:2000]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, digits):
    run = Run(tmp_path_factory.mktemp("teacher") / "run")
    list(fit(digits, TEACHER, run.path))
    return run


def test_a_convolutional_network_equals_scipy(mnist_test):
    config = TEACHER.changed(members=2)
    params = init_params(config)
    found = predict_logits(config, params, mnist_test.images[:3])
    logits = []
    for index in range(2):
        held = jax.tree.map(lambda leaf, index=index: np.asarray(leaf[index], np.float64), params)
        logits.append([convolved(held, image / 255) for image in mnist_test.images[:3]])
    np.testing.assert_allclose(found, np.mean(logits, axis=0), rtol=1e-4, atol=1e-5)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == config.parameters


def convolved(params, image):
    channels = image[None]
    for index, layer in sorted(params["convolutions"].items()):
        kernel = layer["kernel"].reshape(3, 3, len(channels), -1)
        summed = [
            sum(correlate2d(channel, kernel[:, :, i, o], mode="same") for i, channel in enumerate(channels))
            for o in range(kernel.shape[-1])
        ]
        channels = np.maximum(np.array(summed) + layer["bias"][:, None, None], 0)
        if index < len(params["convolutions"]) - 1:
            side = channels.shape[1] // 2
            channels = channels.reshape(-1, side, 2, side, 2).max(axis=(2, 4))
    first, last = params["layers"][0], params["layers"][1]
    hidden = np.maximum(channels.transpose(1, 2, 0).ravel() @ first["kernel"] + first["bias"], 0)
    return hidden @ last["kernel"] + last["bias"]


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
    for name in ("", str(teacher)):
        run = Run(teacher.path.with_name(f"pupil of {bool(name)}"))
        list(fit(digits, recipe.changed(teacher=name), run.path))
        said = softmax(predict_logits(*trained_weights(run), held_out), axis=1)
        off.append(np.abs(said - wanted).mean())
    assert off[1] < 0.5 * off[0]


def test_a_run_remembers_its_teacher(teacher, digits, tmp_path):
    run = Run(tmp_path / "run")
    list(fit(digits, PUPIL.changed(teacher=str(teacher)), run.path))
    assert Provenance.read(run.data).teacher_sha256 == weights_sha256(trained_weights(teacher)[1])
    text = run.data.read_text()
    run.data.write_text(text.replace('"teacher_sha256": "', '"teacher_sha256": "0'))
    with pytest.raises(RunError, match="has other weights than when this run was begun"):
        resume(digits, run)


def test_a_teacher_that_knows_the_digits_held_out_is_refused(teacher, digits, mnist_train):
    taught = PUPIL.changed(teacher=str(teacher))
    for config, source, expected in (
        (taught.changed(seed=1), digits, "holds out the same digits"),
        (taught.changed(validation=0.2), digits, "holds out the same digits"),
        (taught, mnist_train[:2001], "trained on mnist-train"),
    ):
        with pytest.raises(ConfigError, match=expected):
            load_teacher(config, source)
    assert load_teacher(taught.changed(seed=1, validation=0), digits)  # judged by nothing that the teacher knows


def test_a_teacher_that_is_not_there_is_named(digits, tmp_path):
    with pytest.raises(RunError, match="nowhere: not a run directory"):
        fit(digits, PUPIL.changed(teacher="nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_convolutional_network_is_not_exported(teacher):
    with pytest.raises(ConfigError, match="expected dense to export, got convolutional"):
        export(teacher)
