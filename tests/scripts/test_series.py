"""The scripts read as a series: each is a small edit of the one before."""

import difflib
import inspect
import re

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from experiments import clustering, dimensionality_reduction, virtual_adversarial

import pytest
from conftest import ROOT


@pytest.mark.parametrize(
    "before, after, most",
    [
        ("part1_autoencoder.py", "part2_aae.py", 80),
        ("part2_aae.py", "part3_style_content.py", 65),
        ("part3_style_content.py", "part4_semisupervised.py", 105),
        ("part4_semisupervised.py", "experiments/virtual_adversarial.py", 50),
        ("part4_semisupervised.py", "experiments/clustering.py", 63),
        ("part4_semisupervised.py", "experiments/dimensionality_reduction.py", 106),
    ],
)
def test_a_script_is_a_small_edit_of_the_one_before(before, after, most):
    """Counted as `diff -U0 A B | grep -c '^[+-][^+-]'` does: empty lines do not count."""
    texts = [(ROOT / name).read_text().splitlines() for name in (before, after)]
    changed = [line for line in difflib.unified_diff(*texts, n=0) if re.match("[+-][^+-]", line)]
    assert len(changed) <= most


PHASES = ["Reconstruction phase", "Regularization phase, 1", "Regularization phase, 2"]


@pytest.mark.parametrize(
    "model, phases",
    [
        (part1_autoencoder.Autoencoder, PHASES[:1]),
        (part2_aae.AdversarialAutoencoder, PHASES),
        (part3_style_content.AdversarialAutoencoder, PHASES),
        (part4_semisupervised.AdversarialAutoencoder, [*PHASES, "Classification phase"]),
        (virtual_adversarial.AdversarialAutoencoder, [*PHASES, "Classification phase"]),
        (clustering.AdversarialAutoencoder, PHASES),
        (dimensionality_reduction.AdversarialAutoencoder, [*PHASES, "Classification phase"]),
    ],
)
def test_each_phase_stands_in_the_train_step_under_its_own_comment(model, phases):
    source = inspect.getsource(model.train_step.python_function)
    found = re.findall(r"# (\w+ phase(?:, \d)?):", source)
    assert found == phases
    # Every phase applies its own gradients, in sight.
    assert source.count(".apply(") >= len(phases)
