"""The page on Keras' own way: its code runs as it stands there, on small data."""

import re

import keras
import numpy as np
import pytest
from conftest import ROOT

(CODE,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/keras_fit.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the code defines, after two epochs on 40 images."""
    images = np.random.default_rng(0).integers(0, 256, [40, 32, 32, 3], np.uint8)
    defined = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.datasets.cifar10, "load_data", lambda: ((images, None), (None, None)))
        exec(CODE.replace("batch_size=100, epochs=30", "batch_size=20, epochs=2"), defined)
    return defined


def test_the_code_trains_and_generates_colour_images(names):
    losses = names["model"].history.history
    assert set(losses) == {"loss", "d_loss", "g_loss"} and np.isfinite([*losses.values()]).all()
    assert names["x_new"].shape == (16, 32, 32, 3)
    reconstructions = names["model"].predict(names["images"][:3], verbose=0)
    assert reconstructions.shape == (3, 32, 32, 3)


def test_each_phase_trains_its_own_networks_alone(names):
    x = names["images"][:4].astype("float32")
    optimizers = ("optimizer", "d_optimizer", "g_optimizer")
    trained = {"optimizer": "encoder decoder", "d_optimizer": "discriminator"}
    for chosen in optimizers:
        model = names["AdversarialAutoencoder"]()
        rates = [1e-3 if name == chosen else 0.0 for name in optimizers]
        model.compile(*map(keras.optimizers.SGD, rates))
        model.run_eagerly = True  # Quicker for one step.
        networks = {name: getattr(model, name) for name in ("encoder", "decoder", "discriminator")}
        before = {name: network.get_weights() for name, network in networks.items()}
        model.fit(x, verbose=0)
        for name, network in networks.items():
            pairs = zip(before[name], network.get_weights(), strict=True)
            moved = any((a != b).any() for a, b in pairs)
            assert moved == (name in trained.get(chosen, "encoder").split())
