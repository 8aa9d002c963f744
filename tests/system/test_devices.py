"""Several devices take the steps of one. They are logical CPUs, in a process of their own."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

CASES = ["part4_semisupervised:sgd"]
MORE_CASES = [
    "part1_autoencoder:sgd",
    "part2_aae:sgd",
    "part3_style_content:adam",
    "experiments.label_regularized_aae:sgd",
    "experiments.virtual_adversarial:sgd",
    "experiments.classifier:sgd",
    "experiments.variational_style:sgd",
    "experiments.clustering:sgd",
    "experiments.dimensionality_reduction:sgd",
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
