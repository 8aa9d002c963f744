"""What the code should look like: the distributions that the discriminator compares codes with.

Every sampler is a stateless function of its `seed`, an int64 [2] tensor as
`randomness.stateless_seed` makes it, and works inside and outside a `tf.function` (the two agree to
rounding; either repeats itself bit for bit).
"""

import math

from adversarial_autoencoder import randomness

import tensorflow as tf

# Of these, every class has a part of its own (a petal, a stretch of the roll), and `labels` count.
WITH_COMPONENTS = ("gaussian_mixture", "swiss_roll")
NAMES = ("gaussian", "gaussian_mixture", "swiss_roll", "uniform")

# A petal: how far its centre is from the origin, its standard deviations.
PETAL_DISTANCE, PETAL_ALONG, PETAL_ACROSS = 1.4, 0.5, 0.1
# The roll. Its turns are 1.5 apart, so they stay apart at this thickness.
ROLL_RADIUS, ROLL_ANGLE, ROLL_ACROSS = 3.0, 4 * math.pi, 0.1


def gaussian(n: int, z_dim: int, stddev: float, seed: tf.Tensor) -> tf.Tensor:
    """Samples N(0, stddev²), independently in each dimension: float32 [n, z_dim]."""
    return stddev * randomness.normal([n, z_dim], seed)


def uniform(n: int, z_dim: int, stddev: float, seed: tf.Tensor) -> tf.Tensor:
    """Samples the cube around 0 with this standard deviation per dimension: float32 [n, z_dim].

    Its sides run from -√3 · stddev to √3 · stddev.
    """
    edge = math.sqrt(3) * stddev
    return randomness.uniform([n, z_dim], seed, -edge, edge)


def categorical(n: int, n_classes: int, seed: tf.Tensor) -> tf.Tensor:
    """Samples one-hot vectors, each class as likely as any other: float32 [n, n_classes].

    The prior of the label in part 4 (Makhzani et al. 2015, section 5).
    """
    classes = randomness.uniform([n], seed, 0, n_classes, tf.int32)
    return tf.one_hot(classes, n_classes)


def gaussian_mixture(
    n: int,
    z_dim: int,
    seed: tf.Tensor,
    labels: tf.Tensor | None = None,
    n_components: int = 10,
) -> tf.Tensor:
    """Samples a mixture of 2-D Gaussians laid out like petals.

    Component k lies along the ray at angle 2πk / n_components. Its centre is 1.4 from
    the origin, its standard deviation 0.5 along the ray and 0.1 across it.

    Args:
      n: number of samples.
      z_dim: even; each pair of dimensions is a mixture of its own, independent of the others.
      seed: int64 [2], stateless.
      labels: int [n] in 0..n_components; k < n_components draws every pair from petal k,
        n_components (unlabelled) from all petals. None: all are unlabelled.
      n_components: number of petals, that is, of classes.

    Returns:
      float32 [n, z_dim].

    Raises:
      ValueError: z_dim is odd.

    Makhzani et al. 2015, section 2.3 and figure 4.
    """
    n_pairs = _pairs(z_dim, "gaussian_mixture")
    component_seed, place_seed = _split(seed)
    components = _components(n, n_pairs, labels, n_components, component_seed)
    place = randomness.normal([n, n_pairs, 2], place_seed)
    along, across = PETAL_ALONG * place[..., 0], PETAL_ACROSS * place[..., 1]
    return tf.reshape(on_petal(components, along, across, n_components), [n, z_dim])


def swiss_roll(
    n: int,
    z_dim: int,
    seed: tf.Tensor,
    labels: tf.Tensor | None = None,
    n_components: int = 10,
) -> tf.Tensor:
    """Samples a spiral of two turns from the origin outwards, evenly along its length.

    Class k takes the k-th stretch of the roll: with ten classes, each its tenth. The
    outer end is 3 from the origin. The roll has a standard deviation of 0.1 across.

    Args:
      n: number of samples.
      z_dim: even; each pair of dimensions is a roll of its own, independent of the others.
      seed: int64 [2], stateless.
      labels: int [n] in 0..n_components; k < n_components draws every pair from stretch k,
        n_components (unlabelled) from the whole roll. None: all are unlabelled.
      n_components: number of stretches, that is, of classes.

    Returns:
      float32 [n, z_dim].

    Raises:
      ValueError: z_dim is odd.

    Makhzani et al. 2015, section 2.3 and figure 4.
    """
    n_pairs = _pairs(z_dim, "swiss_roll")
    component_seed, place_seed, across_seed = _split(seed, 3)
    components = _components(n, n_pairs, labels, n_components, component_seed)
    within = randomness.uniform([n, n_pairs], place_seed)
    position = (tf.cast(components, tf.float32) + within) / n_components
    across = ROLL_ACROSS * randomness.normal([n, n_pairs], across_seed)
    return tf.reshape(on_roll(position, across), [n, z_dim])


def sample(
    name: str,
    n: int,
    z_dim: int,
    seed: tf.Tensor,
    stddev: float = 5.0,
    labels: tf.Tensor | None = None,
    n_components: int = 10,
) -> tf.Tensor:
    """Samples the prior called `name`: float32 [n, z_dim].

    Args:
      name: one of `NAMES`.
      n: number of samples.
      z_dim: dimensions of the code; even for a prior `WITH_COMPONENTS`.
      seed: int64 [2], stateless.
      stddev: standard deviation per dimension, of `gaussian` and `uniform` only.
      labels: int [n] in 0..n_components, n_components meaning unlabelled; `gaussian` and
        `uniform` are the same for every label.
      n_components: number of classes, of priors `WITH_COMPONENTS` only.

    Raises:
      ValueError: there is no such prior, or z_dim is odd where pairs are needed.
    """
    check(name, z_dim)
    if name == "gaussian":
        return gaussian(n, z_dim, stddev, seed)
    if name == "uniform":
        return uniform(n, z_dim, stddev, seed)
    in_pairs = gaussian_mixture if name == "gaussian_mixture" else swiss_roll
    return in_pairs(n, z_dim, seed, labels, n_components)


def log_density(
    name: str,
    z: tf.Tensor,
    stddev: float = 5.0,
    n_components: int = 10,
) -> tf.Tensor:
    """Natural logarithm of the prior's exact density at codes z, unlabelled: float32 [n].

    Args:
      name: one of `NAMES`.
      z: float [n, z_dim].
      stddev: as in `sample`.
      n_components: as in `sample`.

    Raises:
      ValueError: there is no such prior, or z_dim is odd where pairs are needed.
    """
    z = tf.convert_to_tensor(z, tf.float32)
    check(name, z.shape[-1])
    if name == "gaussian":
        return tf.reduce_sum(_log_normal(z, 0.0, stddev), axis=-1)
    if name == "uniform":
        edge = math.sqrt(3) * stddev
        inside = tf.reduce_all(tf.abs(z) <= edge, axis=-1)
        return tf.where(inside, -z.shape[-1] * math.log(2 * edge), -math.inf)
    of_components = component_log_densities(name, z, n_components)
    of_pairs = tf.reduce_logsumexp(of_components, axis=-1) - math.log(n_components)
    return tf.reduce_sum(of_pairs, axis=-1)


def component_log_densities(name: str, z: tf.Tensor, n_components: int = 10) -> tf.Tensor:
    """Log density of each component of a prior `WITH_COMPONENTS` in each pair of dimensions.

    Args:
      name: one of `WITH_COMPONENTS`.
      z: float [n, z_dim], z_dim even.
      n_components: as in `sample`.

    Returns:
      float32 [n, z_dim / 2, n_components].

    Raises:
      ValueError: the prior has no components, or z_dim is odd.
    """
    if name not in WITH_COMPONENTS:
        raise ValueError(f"The prior {name} has no components; {_listed(WITH_COMPONENTS)} have.")
    z = tf.convert_to_tensor(z, tf.float32)
    pairs = tf.reshape(z, [-1, _pairs(z.shape[-1], name), 2])
    densities = _petal_densities if name == "gaussian_mixture" else _roll_densities
    return densities(pairs, n_components)


def nearest_component(name: str, z: tf.Tensor, n_components: int = 10) -> tf.Tensor:
    """The component under which each code is most likely: int64 [n] in 0..n_components - 1, or -1.

    Petals differ in place and direction alone, so for them this is the nearest petal, distance
    counted in standard deviations along and across. With several pairs of dimensions all count. -1
    is of codes that no component reaches: on the swiss roll, those whose pairs share no stretch.

    Args and errors are those of `component_log_densities`.
    """
    densities = tf.reduce_sum(component_log_densities(name, z, n_components), axis=1)
    reached = tf.reduce_any(densities > -math.inf, axis=-1)
    return tf.where(reached, tf.argmax(densities, axis=-1), tf.constant(-1, tf.int64))


def on_petal(
    components: tf.Tensor,
    along: tf.Tensor,
    across: tf.Tensor,
    n_components: int = 10,
) -> tf.Tensor:
    """The code at a place in a petal, to walk along it and across it.

    Args:
      components: int [...], which petal.
      along: float [...], from the petal's centre outwards.
      across: float [...], from the petal's centre line counterclockwise.
      n_components: number of petals.

    Returns:
      float32 [..., 2].
    """
    angle = 2 * math.pi / n_components * tf.cast(components, tf.float32)
    along = PETAL_DISTANCE + tf.cast(along, tf.float32)
    across = tf.cast(across, tf.float32)
    x = along * tf.cos(angle) - across * tf.sin(angle)
    y = along * tf.sin(angle) + across * tf.cos(angle)
    return tf.stack([x, y], axis=-1)


def on_roll(position: tf.Tensor, across: tf.Tensor = 0.0) -> tf.Tensor:
    """The code at a place on the swiss roll, to walk along it.

    Args:
      position: float [...] in 0..1, 0 at the origin, 1 at the outer end; k / n_components is where
        the stretch of class k begins.
      across: float [...], outwards from the centre line.

    Returns:
      float32 [..., 2].
    """
    # The length of an Archimedean spiral grows as its angle squared, hence the root.
    turned = tf.sqrt(tf.cast(position, tf.float32))
    radius = ROLL_RADIUS * turned + tf.cast(across, tf.float32)
    angle = ROLL_ANGLE * turned
    return tf.stack([radius * tf.cos(angle), radius * tf.sin(angle)], axis=-1)


def extent(name: str, stddev: float = 5.0) -> float:
    """How far from 0 the prior's pictures reach: 10 for the series' N(0, 5²), its plot's edge."""
    return {
        "gaussian": 2 * stddev,
        "gaussian_mixture": PETAL_DISTANCE + 2 * PETAL_ALONG,
        "swiss_roll": ROLL_RADIUS,
        "uniform": math.sqrt(3) * stddev,
    }[name]


def check(name: str, z_dim: int) -> None:
    """Raises ValueError, with what to do, where there is no prior `name` in z_dim dimensions."""
    if name not in NAMES:
        raise ValueError(f"There is no prior {name}; choose {_listed(NAMES, 'or')}.")
    if name in WITH_COMPONENTS:
        _pairs(z_dim, name)


def _pairs(z_dim: int, name: str) -> int:
    if z_dim % 2:
        raise ValueError(
            f"The prior {name} is made of pairs of dimensions, and z_dim {z_dim} is odd: "
            f"choose {z_dim + 1}, or a gaussian or uniform prior."
        )
    return z_dim // 2


def _listed(names: tuple[str, ...], conjunction: str = "and") -> str:
    return f"{', '.join(names[:-1])} {conjunction} {names[-1]}"


def _split(seed: tf.Tensor, n: int = 2) -> list[tf.Tensor]:
    """Seeds for n independent draws."""
    return tf.unstack(tf.random.split(seed, n))


def _components(
    n: int, n_pairs: int, labels: tf.Tensor | None, n_components: int, seed: tf.Tensor
) -> tf.Tensor:
    """The component of each pair of dimensions, int32 [n, n_pairs]: the label's, or any."""
    anything = randomness.uniform([n, n_pairs], seed, 0, n_components, tf.int32)
    if labels is None:
        return anything
    labels = tf.cast(labels, tf.int32)[:, tf.newaxis]
    return tf.where(labels < n_components, labels, anything)


def _log_normal(x: tf.Tensor, mean: tf.Tensor | float, stddev: float) -> tf.Tensor:
    return -0.5 * tf.square((x - mean) / stddev) - math.log(stddev * math.sqrt(2 * math.pi))


def _petal_densities(pairs: tf.Tensor, n_components: int) -> tf.Tensor:
    """Log density of every petal: [n, n_pairs, n_components]."""
    angle = 2 * math.pi / n_components * tf.range(n_components, dtype=tf.float32)
    x, y = pairs[..., 0:1], pairs[..., 1:2]
    along = x * tf.cos(angle) + y * tf.sin(angle)
    across = y * tf.cos(angle) - x * tf.sin(angle)
    return _log_normal(along, PETAL_DISTANCE, PETAL_ALONG) + _log_normal(across, 0.0, PETAL_ACROSS)


def _roll_densities(pairs: tf.Tensor, n_components: int) -> tf.Tensor:
    """Log density of every stretch of the roll: [n, n_pairs, n_components].

    The roll is spread along rays from the origin, so a code can only come from the angles at which
    the roll crosses the code's ray: one per half turn, every second on the ray's far side.
    """
    x, y = pairs[..., 0], pairs[..., 1]
    distance = tf.maximum(tf.sqrt(x * x + y * y), 1e-6)[..., tf.newaxis]
    angle = tf.math.floormod(tf.math.atan2(y, x), 2 * math.pi)[..., tf.newaxis]
    half_turns = tf.range(round(ROLL_ANGLE / math.pi), dtype=tf.float32)
    turned = (angle + math.pi * half_turns) / ROLL_ANGLE
    signed_distance = tf.where(half_turns % 2 == 0, distance, -distance)
    # Position = turned² is uniform; angle and distance are polar coordinates, hence the Jacobian.
    density = _log_normal(signed_distance, ROLL_RADIUS * turned, ROLL_ACROSS) + tf.math.log(
        2 * turned * n_components / (ROLL_ANGLE * distance)
    )
    stretch = tf.cast(tf.floor(tf.square(turned) * n_components), tf.int32)
    crossed = stretch[..., tf.newaxis] == tf.range(n_components)
    of_stretches = tf.where(crossed, density[..., tf.newaxis], -math.inf)
    return tf.reduce_logsumexp(of_stretches, axis=-2)
