"""Priors: their moments, their geometry, what labels do, and that draws repeat themselves."""

import math

from adversarial_autoencoder import priors, randomness

import numpy as np
import pytest
import tensorflow as tf
from matplotlib import path


def seed(step: int = 0) -> tf.Tensor:
    return randomness.stateless_seed(0, "test", step)


def draw(name: str, n: int = 40_000, z_dim: int = 2, step: int = 0, **settings) -> np.ndarray:
    labels = settings.pop("labels", None)
    return priors.make(name, z_dim, **settings).sample(n, seed(step), labels).numpy()


def nearest(name: str, z: np.ndarray, n_components: int = 10) -> np.ndarray:
    prior = priors.make(name, z.shape[1], n_components=n_components)
    return prior.nearest_component(z).numpy()


@pytest.mark.parametrize("name", priors.NAMES)
def test_pictures_reach_as_far_as_most_of_the_prior(name):
    reach = priors.make(name, 2, stddev=3.0).extent
    inside = (np.abs(draw(name, stddev=3.0)) <= reach).all(axis=1).mean()
    assert 0.85 < inside <= 1
    assert np.quantile(np.abs(draw(name, stddev=3.0)), 0.999) > 0.9 * reach


@pytest.mark.parametrize("name", ["gaussian", "uniform"])
@pytest.mark.parametrize("stddev", [1.0, 5.0])
def test_stddev_is_the_standard_deviation_of_each_dimension(name, stddev):
    z = draw(name, z_dim=3, stddev=stddev)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.03 * stddev)
    np.testing.assert_allclose(z.std(axis=0), stddev, rtol=0.02)


def test_gaussian_has_gaussian_tails_and_uniform_has_none():
    gaussian = draw("gaussian", stddev=2.0)
    assert np.mean(np.abs(gaussian) < 2.0) == pytest.approx(0.6827, abs=0.01)
    edge = math.sqrt(3) * 2
    uniform = draw("uniform", stddev=2.0)
    assert np.abs(uniform).max() <= edge
    assert np.mean(np.abs(uniform) < edge / 2) == pytest.approx(0.5, abs=0.01)


def test_categorical_draws_every_one_hot_vector_as_often():
    y = priors.categorical(20_000, 10, seed()).numpy()
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {0, 1}
    np.testing.assert_array_equal(y.sum(axis=1), 1)
    np.testing.assert_allclose(y.mean(axis=0), 0.1, atol=0.01)


@pytest.mark.parametrize("k", [0, 3, 9])
def test_a_petal_has_its_centre_direction_and_spread(k):
    z = draw("gaussian_mixture", labels=tf.fill([40_000], k))
    angle = 2 * math.pi * k / 10
    ray = np.array([math.cos(angle), math.sin(angle)])
    np.testing.assert_allclose(z.mean(axis=0), 1.4 * ray, atol=0.01)
    assert (z @ ray).std() == pytest.approx(0.5, rel=0.02)
    assert (z @ [-ray[1], ray[0]]).std() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("n_components", [2, 10, 26])
def test_a_labelled_sample_falls_on_its_own_tenth_of_the_roll(n_components):
    labels = np.arange(20_000) % n_components
    z = draw("swiss_roll", n=20_000, labels=labels, n_components=n_components)
    # Unroll: of the two turns, the one at whose radius the sample is.
    angle = np.arctan2(z[:, 1], z[:, 0]) % (2 * math.pi)
    turns = np.stack([angle, angle + 2 * math.pi])
    radius = np.linalg.norm(z, axis=1)
    across = np.abs(radius - 3 * turns / (4 * math.pi))
    position = (np.take_along_axis(turns, across.argmin(axis=0)[None], 0)[0] / (4 * math.pi)) ** 2
    outside_the_core = radius > 0.4  # Where the roll is thicker than its radius it folds over.
    own = np.floor(position * n_components) == labels
    assert own[outside_the_core].mean() > 0.999
    assert across.min(axis=0)[outside_the_core].std() < 0.1


def test_unlabelled_samples_spread_evenly_along_the_roll():
    z = draw("swiss_roll")
    counts = np.bincount(nearest("swiss_roll", z), minlength=10)
    np.testing.assert_allclose(counts / len(z), 0.1, atol=0.01)


@pytest.mark.parametrize("name", priors.WITH_COMPONENTS)
def test_the_label_after_the_last_means_unlabelled(name):
    labels = np.where(np.arange(20_000) % 2, 10, 4)
    found = nearest(name, draw(name, n=20_000, labels=labels))
    assert np.mean(found[labels == 4] == 4) > 0.97
    np.testing.assert_allclose(np.bincount(found[labels == 10]) / 10_000, 0.1, atol=0.015)
    everything = tf.fill([20_000], 10)
    np.testing.assert_array_equal(draw(name, n=20_000, labels=everything), draw(name, n=20_000))


@pytest.mark.parametrize("name", priors.WITH_COMPONENTS)
@pytest.mark.parametrize("n_components", [2, 10, 26])
def test_a_labelled_sample_is_nearest_to_its_own_component(name, n_components):
    labels = np.arange(20_000) % n_components
    z = draw(name, n=20_000, labels=labels, n_components=n_components)
    # Petals overlap near the origin, the more the narrower the angle between them.
    overlap = 0.3 if (name, n_components) == ("gaussian_mixture", 26) else 0.03
    assert np.mean(nearest(name, z, n_components) == labels) > 1 - overlap


def test_a_code_whose_pairs_lie_on_different_stretches_is_of_no_component():
    roll = priors.make("swiss_roll", 2)
    inner, outer = (roll.at([k], [0.2], [0.0]).numpy() for k in (1, 9))
    z = np.concatenate([np.hstack(pairs) for pairs in ((inner, inner), (inner, outer))])
    np.testing.assert_array_equal(nearest("swiss_roll", z), [1, -1])


@pytest.mark.parametrize("name", priors.WITH_COMPONENTS)
def test_pairs_of_dimensions_share_a_label_and_are_independent_without(name):
    labels = np.arange(20_000) % 10
    for pair in (slice(0, 2), slice(2, 4)):
        z = draw(name, n=20_000, z_dim=4, labels=labels)[:, pair]
        assert np.mean(nearest(name, z) == labels) > 0.97
    z = draw(name, n=20_000, z_dim=4)
    first, second = (nearest(name, z[:, pair]) for pair in ([0, 1], [2, 3]))
    assert np.mean(first == second) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("name", priors.NAMES)
def test_density_sums_to_one_and_is_that_of_the_samples(name):
    settings = {"stddev": 2 / math.sqrt(3)}  # The uniform edge is at 2.
    width = 0.02
    middles = np.arange(-4, 4, width) + width / 2
    places = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    density = np.exp(priors.make(name, 2, **settings).log_density(places).numpy())
    assert density.sum() * width**2 == pytest.approx(1, abs=0.01)
    # The same share of samples in each of 8 × 8 fields as the density says.
    fields = density.reshape(8, 50, 8, 50).sum(axis=(1, 3)) * width**2
    z = draw(name, n=100_000, **settings)
    counted, _, _ = np.histogram2d(z[:, 1], z[:, 0], bins=8, range=[[-4, 4], [-4, 4]])
    np.testing.assert_allclose(counted / len(z), fields, atol=0.01)


@pytest.mark.parametrize("name", priors.NAMES)
def test_density_of_independent_pairs_is_their_product(name):
    z = draw(name, n=100, z_dim=4)
    whole, pair = priors.make(name, 4), priors.make(name, 2)
    parts = pair.log_density(z[:, :2]) + pair.log_density(z[:, 2:])
    np.testing.assert_allclose(whole.log_density(z), parts, rtol=1e-5)


def test_density_of_uniform_is_zero_outside_its_cube():
    density = priors.make("uniform", 2, 5.0).log_density([[0.0, 0.0], [0.0, 9.0]]).numpy()
    assert density[0] == pytest.approx(-2 * math.log(10 * math.sqrt(3)), rel=1e-5)
    assert density[1] == -np.inf


def test_walking_along_and_across_a_petal_turns_with_it():
    petals = priors.make("gaussian_mixture", 2)
    first = petals.at(0, [0.0, 1.0], [0.0, 1.0]).numpy()
    np.testing.assert_allclose(first, [[1.4, 0.0], [2.4, 0.2]], rtol=1e-5)
    opposite = petals.at(5, [0.0, 1.0], [0.0, 1.0]).numpy()
    np.testing.assert_allclose(opposite, -first, atol=1e-5)


def test_the_roll_runs_from_the_origin_through_two_turns():
    roll = priors.make("swiss_roll", 2, n_components=4)
    ends = roll.at([0, 0, 3], [-1.0, 1.0, 1.0], 0.0).numpy()
    np.testing.assert_allclose(ends, [[0, 0], [1.5, 0], [3, 0]], atol=1e-4)
    steps = np.diff(roll.at(0, np.linspace(-0.2, 7, 200), 0.0).numpy(), axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    assert lengths.max() < 1.1 * lengths.min()


@pytest.mark.parametrize("name", priors.NAMES)
def test_the_same_seed_draws_the_same_and_another_step_does_not(name):
    z = draw(name, n=100, labels=np.arange(100) % 10)
    assert z.shape == (100, 2)
    assert z.dtype == np.float32
    np.testing.assert_array_equal(z, draw(name, n=100, labels=np.arange(100) % 10))
    assert not np.any(z == draw(name, n=100, labels=np.arange(100) % 10, step=1))


@pytest.mark.parametrize("name", priors.NAMES)
def test_a_compiled_step_draws_what_an_eager_one_draws(name):
    prior = priors.make(name, 4)

    @tf.function
    def step(labels, number):
        return prior.sample(100, seed(number), labels)

    labels = tf.range(100) % 11
    compiled = step(labels, tf.constant(7))
    np.testing.assert_array_equal(compiled, step(labels, tf.constant(7)))
    eager = prior.sample(100, seed(7), labels)
    np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", priors.WITH_COMPONENTS)
def test_an_odd_z_dim_is_refused_where_pairs_are_needed(name):
    with pytest.raises(ValueError, match="z_dim 3 is odd: choose 4"):
        priors.make(name, 3)


def test_an_unknown_prior_is_refused_with_the_names_that_there_are():
    with pytest.raises(ValueError, match="no prior gauss; choose one of gaussian, .*, uniform"):
        draw("gauss", n=1)


@pytest.mark.parametrize("name", priors.NAMES)
def test_the_outline_encloses_most_of_the_prior_and_little_else(name):
    prior, width = priors.make(name, 2, stddev=1.5), 0.05
    outline = prior.outline()
    assert 1 <= len(outline) <= 3
    *_, lines = outline.values()
    middles = np.arange(-5, 5, width) + width / 2
    places = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    inside = np.any([path.Path(line).contains_points(places) for line in lines], axis=0)
    density = np.exp(prior.log_density(places).numpy()) * width**2
    assert 0.85 < density[inside].sum() <= 1.02
    assert np.median(density[inside]) > 5 * density[~inside].mean()


def test_a_new_prior_is_a_class_and_a_line_of_the_table(monkeypatch):
    class Ring(priors.Prior):
        extent = 1.0

    monkeypatch.setitem(priors.PRIORS, "ring", Ring)
    assert isinstance(priors.make("ring", 2), Ring)
