"""Several devices take the steps of one. They are logical CPUs, in a process of their own."""

import json
import os
import subprocess
import sys

from adversarial_autoencoder import devices, options
from adversarial_autoencoder.errors import UserError

import pytest
from conftest import ROOT

CASES = ["part3_style_content:adam", "part4_semisupervised:sgd"]
MORE_CASES = [
    "part1_autoencoder:sgd",
    "part2_aae:sgd",
    "experiments.label_regularized_aae:sgd",
    "experiments.virtual_adversarial:sgd",
    "experiments.classifier:sgd",
    "experiments.variational_style:sgd",
    "experiments.disentangling_factors:sgd",
]


def steps(npz, n, cases):
    command = [sys.executable, str(ROOT / "tests" / "steps_on_devices.py"), npz, str(n), *cases]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(npz):
    return steps(npz, 2, CASES)


def assert_equal(found):
    for key in ("losses", "weights", "averages"):
        assert found[key] < 1e-5
    assert found["moved"] > 1e-3
    assert found["copies"] == 0


@pytest.mark.parametrize("case", CASES)
def test_steps_of_two_devices_are_those_of_one(case, found):
    assert_equal(found[case])


@pytest.mark.slow
def test_steps_of_five_devices_are_those_of_one_in_every_script(npz):
    found = steps(npz, 5, [*CASES, *MORE_CASES])
    for case in [*CASES, *MORE_CASES]:
        assert_equal(found[case])


def test_draws_of_two_devices_are_together_those_of_one(found):
    assert found["drawn"]


def test_dropout_differs_between_devices_and_depends_on_the_step_alone(found):
    assert found["masks"] == {"same_on_all": False, "same_again": True}


def flags(*words):
    return options.parse(["x", "--train", *words], "", {})


def test_one_device_needs_no_strategy():
    assert devices.start(flags()) is None
    assert devices.start(flags("--devices=1")) is None
    assert devices.start(options.parse(["x", "--devices=7"], "", {})) is None


def test_a_batch_that_does_not_divide_is_an_error():
    with pytest.raises(UserError, match="--batch_size=100 cannot be divided among 3 devices"):
        devices.start(flags("--devices=3"))


def test_more_gpus_than_there_are_are_an_error(monkeypatch):
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    with pytest.raises(UserError, match="--devices=4, but TensorFlow sees 2 GPUs"):
        devices.start(flags("--devices=4"))
    with pytest.raises(UserError, match="--batch_size=101 .* 2 devices"):
        devices.start(flags("--batch_size=101"))


def test_devices_that_come_too_late_are_an_error():
    devices.tf.zeros([1])
    with pytest.raises(UserError, match="--devices=50, but TensorFlow has already started"):
        devices.start(flags("--devices=50"))
