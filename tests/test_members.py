import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flaxdigits.errors import RunError, TrainingInterrupted
from flaxdigits.recognizer import Recognizer
from flaxdigits.runs import Run
from flaxdigits.training.config import Deformation, TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.export import export, predict_probabilities
from flaxdigits.training.fit import fit
from flaxdigits.training.history import write_history
from flaxdigits.training.network import init_params
from flaxdigits.training.state import init_state
from flaxdigits.training.step import TrainingSet, make_advance
from flaxdigits.training.weights import predict_logits, trained_weights

ONE = TrainConfig(hidden=(32, 16), batch_size=64, epochs=2, ema_decay=0.9)
THREE = ONE.changed(members=3)


@pytest.fixture(scope="module")
def committee(tmp_path_factory, mnist_train):
    run = Run(tmp_path_factory.mktemp("committee") / "run")
    return run, list(fit(mnist_train[:4000], THREE, run.path))


def member(params, index):
    return jax.tree.map(lambda leaf: np.asarray(leaf[index]), params)


def test_the_first_member_begins_as_a_single_network_and_the_others_otherwise():
    one, three = init_params(ONE), init_params(THREE)
    for alone, together in zip(jax.tree.leaves(one), jax.tree.leaves(three), strict=True):
        np.testing.assert_array_equal(alone[0], together[0])
    kernels = three["layers"][0]["kernel"]
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[2])


def test_a_member_learns_as_it_would_alone(mnist_train):
    digits = TrainingSet(jnp.asarray(mnist_train.images[:640]), jnp.asarray(mnist_train.labels[:640]))
    mesh = make_mesh("cpu", 64)
    alone = make_advance(ONE, 10, mesh)(init_state(ONE, 10), digits, 0, 10)
    together = make_advance(THREE, 10, mesh)(init_state(THREE, 10), digits, 0, 10)
    pairs = zip(jax.tree.leaves(member(alone.ema, 0)), jax.tree.leaves(member(together.ema, 0)), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_committee_is_judged_by_the_mean_of_its_logits(committee, mnist_train):
    run, reports = committee
    config, params = trained_weights(run)
    _, held_out = mnist_train[:4000].split(config.validation, config.seed)
    logits = []
    for index in range(3):
        x = held_out.images.reshape(len(held_out), 784) / 255
        layers = [layer for _, layer in sorted(member(params, index)["layers"].items())]
        for layer in layers[:-1]:
            x = np.maximum(x @ layer["kernel"] + layer["bias"], 0)
        logits.append(x @ layers[-1]["kernel"] + layers[-1]["bias"])
    right = (np.mean(logits, axis=0).argmax(axis=1) == held_out.labels).mean()
    assert reports[-1].val_accuracy == pytest.approx(right)


@pytest.mark.parametrize(("precision", "views"), [("float32", 3), ("float16", 1), ("int8", 3)])
def test_a_committee_is_exported_as_one_model(committee, tmp_path, extremes, mnist_test, precision, views, monkeypatch):
    monkeypatch.setattr("flaxdigits.training.gate.MOST_ERRORS_LOST", 50)  # so small a network loses more than ours
    run, _ = committee
    report = export(run, tmp_path / "model.onnx", precision=precision, views=views)
    config, params = trained_weights(run)
    model = Recognizer(report.path)
    images = mnist_test.images[:200] if precision == "int8" else np.concatenate([extremes, mnist_test.images[:200]])
    expected = predict_probabilities(config, params, images, report.temperature, views)
    allowed = {"float32": 1e-5, "float16": 2e-3, "int8": 0.2}[precision]
    np.testing.assert_allclose(model(images).probabilities, expected, atol=allowed)
    assert (model.metadata["members"], model.metadata["views"]) == ("3", str(views))
    assert model.metadata["temperature"] == f"{report.temperature:.4f}"
    assert int(model.metadata["parameters"]) == 3 * ONE.parameters == THREE.parameters


def test_the_temperature_in_the_file_is_that_of_the_last_epoch(committee):
    run, reports = committee
    assert export(run).temperature == reports[-1].temperature != 1


def test_a_configured_temperature_goes_first(mnist_train, tmp_path):
    list(fit(mnist_train[:500], ONE.changed(temperature=0.5, epochs=1), tmp_path / "run"))
    assert export(tmp_path / "run").temperature == 0.5


def test_nothing_held_out_and_none_configured_leaves_the_logits_as_they_are(mnist_train, tmp_path):
    list(fit(mnist_train[:500], ONE.changed(validation=0, epochs=1), tmp_path / "run"))
    assert export(tmp_path / "run").temperature == 1


def test_several_runs_are_exported_as_one_committee(committee, mnist_train, tmp_path, mnist_test):
    run, _ = committee
    list(fit(mnist_train[:4000], ONE.changed(seed=1), tmp_path / "other"))
    report = export([run, tmp_path / "other"], tmp_path / "four.onnx")
    model, images = Recognizer(report.path), mnist_test.images[:300]
    three, one = (predict_logits(*trained_weights(Run(path)), images) for path in (run.path, tmp_path / "other"))
    powers = np.exp((3 * three + one) / 4 / report.temperature)
    np.testing.assert_allclose(model(images).probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    assert (model.metadata["members"], model.metadata["seed"]) == ("4", "0, 1")


def test_runs_that_cannot_be_one_committee_are_refused(committee, mnist_train, tmp_path):
    run, _ = committee
    list(fit(mnist_train[:500], ONE.changed(epochs=1), tmp_path / "other digits"))
    list(fit(mnist_train[:4000], ONE.changed(epochs=1, hidden=(8,)), tmp_path / "other shape"))
    for name, expected in (
        ("other digits", "different digits"),
        ("other shape", r"expected a network of \[32, 16\]"),
    ):
        with pytest.raises(RunError, match=expected):
            export([run, tmp_path / name], tmp_path / "committee.onnx")
    with pytest.raises(RunError, match="one of these is named twice"):
        export([run, run], tmp_path / "committee.onnx")
    assert not (tmp_path / "committee.onnx").exists()


def test_the_temperature_of_several_runs_is_the_mean_of_those_that_have_one(mnist_train, tmp_path):
    recipe = ONE.changed(epochs=1)
    for name, changes in {"a": {"temperature": 0.5}, "b": {"temperature": 0.7}, "none": {"validation": 0.0}}.items():
        list(fit(mnist_train[:500], recipe.changed(**changes), tmp_path / name))
    runs = [tmp_path / name for name in ("none", "a", "b")]
    report = export(runs)
    assert report.temperature == pytest.approx(0.6)
    assert report.path == tmp_path / "none/committee.onnx"
    assert Recognizer(report.path).metadata["teacher_sha256"] == ", , "


def test_the_temperature_is_of_the_weights_that_were_saved(committee, tmp_path):
    run, reports = committee
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    later = replace(reports[-1], epoch=3, step=reports[-1].step + 1, temperature=3.0)
    write_history([*reports, later], copy.history)  # as after a power cut between history and checkpoint
    report = export(copy, views=2)
    assert report.temperature == reports[-1].temperature
    assert report.path.name == "model-2-views.onnx"
    assert Recognizer(report.path).metadata["epochs_trained"] == "2"


def test_the_temperature_of_a_run_that_stopped_early_is_the_best_epoch_s(mnist_train, tmp_path):
    config = ONE.changed(
        epochs=40, patience=1, learning_rate=3e-2, schedule="constant", deformation=Deformation(anneal=0)
    )
    reports = list(fit(mnist_train[:1000], config, tmp_path / "run"))
    best = min(reports, key=lambda report: report.val_loss)
    assert best is not reports[-1]
    assert export(tmp_path / "run").temperature == best.temperature


def test_a_run_that_was_stopped_in_its_first_epoch_is_exported_uncalibrated(mnist_train, tmp_path):
    with pytest.raises(TrainingInterrupted):
        list(fit(mnist_train[:4000], ONE, tmp_path / "run", should_stop=lambda: True))
    assert export(tmp_path / "run").temperature == 1
