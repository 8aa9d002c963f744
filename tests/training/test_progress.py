"""The progress bar, and what the screen says of a short run."""

import part3_style_content
from adversarial_autoencoder import options
from adversarial_autoencoder.training import progress
from experiments import classifier

import pytest


def model_of(script, model_class, *words):
    model = object.__new__(model_class)
    flags = options.parse(["script", *words], "", script.DEFAULTS, script.define_flags)
    object.__setattr__(model, "flags", flags)
    return model


@pytest.mark.parametrize("n_epochs, is_short", [(1, True), (11, True), (12, False), (24, False)])
def test_a_short_run_says_that_it_is_one(n_epochs, is_short):
    words = f"--n_epochs={n_epochs}"
    line = progress.short_run(
        model_of(part3_style_content, part3_style_content.AdversarialAutoencoder, words)
    )
    assert bool(line) == is_short
    if is_short:
        assert f"{n_epochs} of the usual 48 epochs" in line and "docs/part3.md" in line


def test_no_page_is_named_that_is_not_there():
    assert "docs/" not in progress.short_run(
        model_of(classifier, classifier.Classifier, "--n_epochs=1")
    )


PART_4 = [
    "Autoencoder Loss",
    "Discriminator gauss Loss",
    "Discriminator categorical Loss",
    "Generator Loss",
    "Supervised Encoder Loss",
]


def test_losses_are_called_by_their_initials_or_by_what_tells_them_apart():
    assert list(progress.abbreviate(dict.fromkeys(PART_4, 1.0))) == ["A", "Dg", "Dc", "G", "SE"]
    names = ["Discriminator Loss", "Dependence Loss", "KL Loss"]
    assert list(progress.abbreviate(dict.fromkeys(names, 1.0))) == ["Di", "De", "KL"]


@pytest.fixture
def bar(monkeypatch):
    monkeypatch.setitem(progress.sys.modules, "ipykernel", None)
    with progress.ProgressBar(step=550, last_step=22_000, per_epoch=550) as bar:
        bar.dynamic_ncols = None
        yield bar


def test_all_losses_and_a_bar_of_eight_characters_fit_into_80_columns(bar):
    bar.ncols = 80
    losses = (0.02134, 1.38629, 0.69315, 0.00012345, 1.2e-5)
    bar.show(11_000, dict(zip(PART_4, losses, strict=True)))
    line = str(bar)
    assert line.startswith("Epoch 21/40: |████    | 00:0")
    assert len(line) <= 80 and line.endswith("left, A 0.021 Dg 1.386 Dc 0.693 G 0.000 SE 0.000")


def test_a_notebook_has_a_bar_and_a_file_has_none(bar, monkeypatch):
    assert not bar.disable
    monkeypatch.delitem(progress.sys.modules, "ipykernel")
    with progress.ProgressBar(0, 10, 5) as other:
        other.show(10, {"Loss": 1.0})
        assert other.disable
