"""Priors: the distributions that the discriminator compares latent codes with.

One class a prior. A new one is a subclass of `Prior` (or of `Mixture`, where each class of images
has a component of its own) and a line in `PRIORS`; the flag `--prior`, pictures and pages find it
there.

Every sampler is a stateless function of its `seed`, an int64 [2] tensor as
`randomness.stateless_seed` makes it, and works inside and outside a `tf.function` (the two agree to
rounding; either repeats itself bit for bit).
"""

import math

from adversarial_autoencoder import randomness

import numpy as np
import tensorflow as tf

# A petal: how far its centre is from the origin, its standard deviations.
PETAL_DISTANCE, PETAL_ALONG, PETAL_ACROSS = 1.4, 0.5, 0.1
# The roll. Its turns are 1.5 apart, so they stay apart at this thickness.
ROLL_RADIUS, ROLL_ANGLE, ROLL_ACROSS = 3.0, 4 * math.pi, 0.1

_TURN = np.linspace(0, 2 * np.pi, 73)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=-1)
_SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])


class Prior:
    """The base class of the priors.

    Attributes:
      z_dim: dimensions of the code.
      stddev: standard deviation in each dimension, of priors that can be scaled.
      extent: how far from 0 pictures of the decoder reach.
    """

    extent: float

    def __init__(self, z_dim: int, stddev: float = 5.0, n_components: int = 10):
        """Makes the prior of codes of z_dim dimensions; `Mixture` alone has components."""
        self.z_dim, self.stddev = z_dim, stddev

    def sample(self, n: int, seed: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Draws n samples: float32 [n, z_dim].

        Args:
          n: number of samples.
          seed: int64 [2], stateless.
          labels: int [n], of a `Mixture`; any other prior is the same for all labels.
        """
        raise NotImplementedError

    def log_density(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the natural logarithm of the exact density at codes z [n, z_dim]: float32 [n]."""
        raise NotImplementedError

    def outline(self) -> dict[str, list[np.ndarray]]:
        """Returns lines around the prior in two dimensions, by what they mark: float [points, 2].

        Plots and the page explorer.html draw them: the first kind solid, the second dashed, the
        third dotted.
        """
        raise NotImplementedError


class Gaussian(Prior):
    """N(0, stddev²), independently in each dimension."""

    @property
    def extent(self) -> float:
        return 2 * self.stddev  # 10 for the series' N(0, 5²), its plot's edge.

    def sample(self, n, seed, labels=None):
        return self.stddev * randomness.normal([n, self.z_dim], seed)

    def log_density(self, z):
        return tf.reduce_sum(_log_normal(_as_codes(z), 0.0, self.stddev), axis=-1)

    def outline(self):
        return {f"{k} sd": [k * self.stddev * _CIRCLE] for k in (1, 2, 3)}


class Uniform(Prior):
    """The cube around 0 with this standard deviation in each dimension.

    Its sides run from -√3 · stddev to √3 · stddev.
    """

    @property
    def extent(self) -> float:
        return math.sqrt(3) * self.stddev

    def sample(self, n, seed, labels=None):
        return randomness.uniform([n, self.z_dim], seed, -self.extent, self.extent)

    def log_density(self, z):
        inside = tf.reduce_all(tf.abs(_as_codes(z)) <= self.extent, axis=-1)
        return tf.where(inside, -self.z_dim * math.log(2 * self.extent), -math.inf)

    def outline(self):
        return {"edge": [self.extent * _SQUARE]}


class Mixture(Prior):
    """A prior in which every class has a component of its own; the base class of such priors.

    Each pair of dimensions is a mixture of its own. With a label all pairs are drawn from that
    component, without one each from any component, independently of the others.

    Makhzani et al. 2015, section 2.3 and figure 4.

    Attributes:
      COMPONENT: the word for a component.
      n_components: number of components, that is, of classes.
    """

    COMPONENT = "component"

    def __init__(self, z_dim: int, stddev: float = 5.0, n_components: int = 10):
        """Makes the prior; its shape is fixed, so `stddev` has no effect.

        Raises:
          ValueError: z_dim is odd.
        """
        if z_dim % 2:
            raise ValueError(
                f"This prior is made of pairs of dimensions, and z_dim {z_dim} is odd: "
                f"choose {z_dim + 1}, or a gaussian or uniform prior."
            )
        super().__init__(z_dim, stddev)
        self.n_components = n_components

    def sample(self, n, seed, labels=None):
        """Draws n samples: float32 [n, z_dim].

        Args:
          n: number of samples.
          seed: int64 [2], stateless.
          labels: int [n] in 0..n_components, n_components meaning unlabelled. None: all are.
        """
        raise NotImplementedError

    def at(self, components: tf.Tensor, along: tf.Tensor, across: tf.Tensor) -> tf.Tensor:
        """Returns the codes at places of components, to walk along and across them.

        Args:
          components: int [...].
          along: float [...], from the inner end -1 through the middle 0 to the outer end 1; where a
            component has no end, 1 is two standard deviations.
          across: float [...], 1 is two standard deviations from the centre line.

        Returns:
          float32 [..., 2], one pair of dimensions.
        """
        raise NotImplementedError

    def component_log_densities(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the log density of each component at each pair of dimensions.

        Args:
          z: float [n, z_dim].

        Returns:
          float32 [n, z_dim / 2, n_components].
        """
        raise NotImplementedError

    def log_density(self, z):
        pairs = tf.reduce_logsumexp(self.component_log_densities(z), axis=-1)
        return tf.reduce_sum(pairs - math.log(self.n_components), axis=-1)

    def nearest_component(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the component under which each code is most likely: int64 [n].

        Petals differ in place and direction alone, so for them this is the nearest petal, distance
        counted in standard deviations along and across. All pairs of dimensions count. Codes that
        no component reaches have -1: on the swiss roll, those whose pairs share no stretch.

        Args:
          z: float [n, z_dim].
        """
        densities = tf.reduce_sum(self.component_log_densities(z), axis=1)
        reached = tf.reduce_any(densities > -math.inf, axis=-1)
        return tf.where(reached, tf.argmax(densities, axis=-1), tf.constant(-1, tf.int64))

    def _draw_components(self, n: int, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Returns the component of each pair, int32 [n, z_dim / 2]: the label's, or any."""
        shape = [n, self.z_dim // 2]
        anything = randomness.uniform(shape, seed, 0, self.n_components, tf.int32)
        if labels is None:
            return anything
        labels = tf.cast(labels, tf.int32)[:, tf.newaxis]
        return tf.where(labels < self.n_components, labels, anything)

    def _pairs(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the first and the second of each pair, float32 [n, z_dim / 2, 1] each."""
        pairs = tf.reshape(_as_codes(z), [-1, self.z_dim // 2, 2])
        return pairs[..., 0:1], pairs[..., 1:2]


class GaussianMixture(Mixture):
    """A mixture of 2-D Gaussians laid out like petals.

    Component k lies along the ray at angle 2πk / n_components. Its centre is 1.4 from the origin,
    its standard deviation 0.5 along the ray and 0.1 across it.
    """

    COMPONENT = "petal"
    extent = PETAL_DISTANCE + 2 * PETAL_ALONG

    def sample(self, n, seed, labels=None):
        component_seed, place_seed = _split(seed, 2)
        components = self._draw_components(n, labels, component_seed)
        place = randomness.normal([n, self.z_dim // 2, 2], place_seed) / 2
        return tf.reshape(self.at(components, place[..., 0], place[..., 1]), [n, self.z_dim])

    def at(self, components, along, across):
        angle = self._angle(components)
        along = PETAL_DISTANCE + 2 * PETAL_ALONG * tf.cast(along, tf.float32)
        across = 2 * PETAL_ACROSS * tf.cast(across, tf.float32)
        x = along * tf.cos(angle) - across * tf.sin(angle)
        y = along * tf.sin(angle) + across * tf.cos(angle)
        return tf.stack([x, y], axis=-1)

    def component_log_densities(self, z):
        x, y = self._pairs(z)
        angle = self._angle(tf.range(self.n_components))
        along = x * tf.cos(angle) + y * tf.sin(angle)
        across = y * tf.cos(angle) - x * tf.sin(angle)
        of_along = _log_normal(along, PETAL_DISTANCE, PETAL_ALONG)
        return of_along + _log_normal(across, 0.0, PETAL_ACROSS)

    def outline(self):
        ellipses = [self.at(k, *_CIRCLE.T).numpy() for k in range(self.n_components)]
        return {"2 sd": ellipses}

    def _angle(self, components: tf.Tensor) -> tf.Tensor:
        return 2 * math.pi / self.n_components * tf.cast(components, tf.float32)


class SwissRoll(Mixture):
    """A spiral of two turns from the origin outwards, evenly along its length.

    Class k takes the k-th stretch of the roll: with ten classes, each its tenth. The outer end is 3
    from the origin. The roll has a standard deviation of 0.1 across.
    """

    COMPONENT = "stretch"
    extent = ROLL_RADIUS

    def sample(self, n, seed, labels=None):
        component_seed, along_seed, across_seed = _split(seed, 3)
        components = self._draw_components(n, labels, component_seed)
        along = 2 * randomness.uniform(components.shape, along_seed) - 1
        across = randomness.normal(components.shape, across_seed) / 2
        return tf.reshape(self.at(components, along, across), [n, self.z_dim])

    def at(self, components, along, across):
        along = (tf.cast(along, tf.float32) + 1) / 2
        position = (tf.cast(components, tf.float32) + along) / self.n_components
        # The length of an Archimedean spiral grows as its angle squared, hence the root.
        turned = tf.sqrt(position)
        radius = ROLL_RADIUS * turned + 2 * ROLL_ACROSS * tf.cast(across, tf.float32)
        angle = ROLL_ANGLE * turned
        return tf.stack([radius * tf.cos(angle), radius * tf.sin(angle)], axis=-1)

    def component_log_densities(self, z):
        # The roll is spread along rays from the origin, so a code can only come from the angles at
        # which it crosses the code's ray: one per half turn, every second on the ray's far side.
        x, y = self._pairs(z)
        distance = tf.maximum(tf.sqrt(x * x + y * y), 1e-6)
        angle = tf.math.floormod(tf.math.atan2(y, x), 2 * math.pi)
        half_turns = tf.range(round(ROLL_ANGLE / math.pi), dtype=tf.float32)
        turned = (angle + math.pi * half_turns) / ROLL_ANGLE
        signed_distance = tf.where(half_turns % 2 == 0, distance, -distance)
        # Position = turned² is uniform; angle and distance are polar coordinates: the Jacobian.
        density = _log_normal(signed_distance, ROLL_RADIUS * turned, ROLL_ACROSS) + tf.math.log(
            2 * turned * self.n_components / (ROLL_ANGLE * distance)
        )
        stretch = tf.cast(tf.floor(tf.square(turned) * self.n_components), tf.int32)
        crossed = stretch[..., tf.newaxis] == tf.range(self.n_components)
        of_stretches = tf.where(crossed, density[..., tf.newaxis], -math.inf)
        return tf.reduce_logsumexp(of_stretches, axis=-2)

    def outline(self):
        # From the beginning of stretch 0 to the end of the last and, on the other side, back.
        along = 2 * self.n_components * np.linspace(0, 1, 200) ** 2 - 1
        there, back = self.at(0, along, -1).numpy(), self.at(0, along[::-1], 1).numpy()
        return {"2 sd": [np.concatenate([there, back, there[:1]])]}


# By the name that `--prior` gives.
PRIORS = {
    "gaussian": Gaussian,
    "gaussian_mixture": GaussianMixture,
    "swiss_roll": SwissRoll,
    "uniform": Uniform,
}
NAMES = tuple(PRIORS)
WITH_COMPONENTS = tuple(name for name in NAMES if issubclass(PRIORS[name], Mixture))


def make(name: str, z_dim: int, stddev: float = 5.0, n_components: int = 10) -> Prior:
    """Returns the prior called `name`.

    Args:
      name: one of `NAMES`.
      z_dim: dimensions of the code; even for a `Mixture`.
      stddev: standard deviation in each dimension; a `Mixture` ignores it.
      n_components: number of classes, of a `Mixture` only.

    Raises:
      ValueError: there is no such prior, or z_dim is odd where pairs are needed.
    """
    if name not in PRIORS:
        raise ValueError(f"There is no prior {name}; choose one of {', '.join(NAMES)}.")
    return PRIORS[name](z_dim, stddev, n_components)


def categorical(n: int, n_classes: int, seed: tf.Tensor) -> tf.Tensor:
    """Samples one-hot vectors, each class as likely as any other: float32 [n, n_classes].

    The prior of the label in part 4 (Makhzani et al. 2015, section 5).
    """
    classes = randomness.uniform([n], seed, 0, n_classes, tf.int32)
    return tf.one_hot(classes, n_classes)


def _as_codes(z: tf.Tensor) -> tf.Tensor:
    return tf.convert_to_tensor(z, tf.float32)


def _split(seed: tf.Tensor, n: int) -> list[tf.Tensor]:
    """Returns seeds for n independent draws."""
    return tf.unstack(tf.random.split(seed, n))


def _log_normal(x: tf.Tensor, mean: tf.Tensor | float, stddev: float) -> tf.Tensor:
    return -0.5 * tf.square((x - mean) / stddev) - math.log(stddev * math.sqrt(2 * math.pi))
