"""What a script defines and the loop trains: networks, a train step, what is shown and measured."""

import functools
from collections.abc import Callable, Mapping, Sequence

from adversarial_autoencoder import (
    datasets,
    inference,
    layers,
    losses,
    optimizers,
    priors,
    randomness,
)
from adversarial_autoencoder.datasets import Dataset, Split

import keras
import numpy as np
import tensorflow as tf
from absl import flags as absl_flags

PRICE_FALLS = 0.6  # Share of the steps after which information has reached its last price.


class Model(tf.Module):
    """The base class of the scripts' models.

    Attributes:
      NAME: the name of its folder under `Results/`.
      MEASURES: the functions that measure it, see `evaluation`.
      LABELS: which labels of training images it uses: `all`, `some` (part 4) or `none`.
      flags: the run's flags.
      dense, encoder_dense: make a layer, as `layers.dense`, with what `--initializer`, `--dropout`
        and `--seed` say of all layers; in the encoder also `--batch_norm`.
      step: the step that is being trained, int64, from 0: where the training loop puts it for the
        schedules of the learning rate, which Keras calls without a step.
      networks: all networks, in the order in which `layers.variables` searches them. Layers that
        act in training alone (dropout) or otherwise (batch normalization) want `training=True` in
        the train step.
      n_labels: size of the decoder's label, where it has one: the classes unless the labels are
        clusters.
      prior: the distribution that codes are fitted to, if there is one.
      classify: images as in `train_step` to class probabilities, float32 [n, n_classes], if the
        model predicts labels. Validation images then choose the epoch to report.
      labels_are_clusters: these labels are clusters, found without the data's labels; no accuracy
        is counted in training, and none chooses the epoch.
      heads: returns the cluster heads, float32 [n_labels, z_dim], if the prior of the codes is a
        mixture: `--prior` around each head.
      stop_training: ends the training after the epoch in which it is true.
      encoder, decoder: Keras models, exported with each checkpoint.
    """

    NAME: str
    MEASURES: Sequence[Callable]
    LABELS: str = "all"
    flags: absl_flags.FlagValues
    dense: Callable[..., keras.KerasTensor]
    encoder_dense: Callable[..., keras.KerasTensor]
    step: tf.Variable
    networks: Sequence[keras.Model]
    n_labels: int
    prior: priors.Prior | None = None
    classify: Callable[[tf.Tensor], tf.Tensor] | None = None
    labels_are_clusters: bool = False
    heads: Callable[[], tf.Tensor] | None = None
    stop_training: tf.Variable | bool = False
    encoder: keras.Model
    decoder: keras.Model

    def __init__(self, data: Dataset, flags: absl_flags.FlagValues):
        super().__init__()
        self.flags = flags
        self.n_labels = data.n_classes
        self.step = tf.Variable(0, trainable=False, dtype=tf.int64, name="step")
        start = {"initializer": flags.initializer, "dropout": flags.dropout, "seed": flags.seed}
        start["batch_norm_bias"] = flags.batch_norm and flags.batch_norm_bias
        self.dense = functools.partial(layers.dense, **start)
        self.encoder_dense = functools.partial(self.dense, batch_norm=flags.batch_norm)
        self._steps_per_epoch = data.n_training // flags.batch_size

    @classmethod
    def load_data(cls, flags: absl_flags.FlagValues, labels: str | None = None) -> Dataset:
        """Returns the data set that the flags ask for; `labels` takes the place of `LABELS`."""
        return datasets.load(
            flags.dataset,
            flags.data_dir,
            flags.n_images,
            image_size=flags.image_size,
            ground=flags.ground,
            on_disk=flags.streaming,
            labels=cls.LABELS if labels is None else labels,
        )

    def training_images(self, data: Dataset) -> Split:
        """Returns the images, and the labels, that `train_step` gets."""
        return data.all_training()

    def adam(
        self, variables: Sequence[keras.Variable], rate_factor: float = 1.0, drop: float = 0.1
    ) -> optimizers.FusedAdam:
        """Returns the Adam of one phase, at `--learning_rate` and its drops.

        Args:
          variables: what the phase trains.
          rate_factor: multiplies the rate, for a phase that should learn faster or slower. A weight
            of its loss would not do: Adam divides it out again.
          drop: multiplies the rate at each of `--learning_rate_drops`; 1 leaves it constant.
        """
        drops = [int(epoch) * self._steps_per_epoch for epoch in self.flags.learning_rate_drops]
        rate = rate_factor * self.flags.learning_rate
        rate = optimizers.learning_rate(rate, drops, self.step, drop)
        return optimizers.adam(rate, self.flags.beta1, variables)

    def train_step(self, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """A `tf.function` that does all phases of one step.

        Args:
          x: images, float32 [batch, input_dim] in [0, 1].
          y: their labels, one-hot, float32 [batch, n_classes].
          step: int64 scalar, from 0; random draws are functions of it.

        Returns:
          The losses by name, scalars.
        """
        raise NotImplementedError

    def add_noise(self, x: tf.Tensor, step: tf.Tensor, purpose: str = "noise") -> tf.Tensor:
        """Adds N(0, noise_stddev²) to each pixel of the encoder's input in training.

        So an autoencoder learns to remove the noise (Vincent et al. 2008); the AAE paper has it in
        part 4, at 0.3 (Makhzani et al. 2015, appendix).
        """
        if not self.flags.noise_stddev:
            return x
        noise = randomness.normal(tf.shape(x), self.seed(purpose, step))
        return x + self.flags.noise_stddev * noise

    def information_loss(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the price of what the codes tell, for the encoder's last pass; 0 if it has none.

        A gated encoder could open its gates and draw nothing, since reconstruction is all the
        better and the discriminator sees no difference. So each nat that passes costs
        `--information_weight`, in units of the reconstruction loss summed over pixels. The price
        falls geometrically from `--information_start`: the decoder learns to use the label before
        there is any style to read.

        Args:
          step: int64 scalar.
        """
        nats = layers.information(self.encoder)
        if nats is None:
            return tf.constant(0.0)
        start, end = self.flags.information_start, self.flags.information_weight
        n_steps = PRICE_FALLS * self.flags.n_epochs * self._steps_per_epoch
        progress = tf.minimum(tf.cast(step, tf.float32) / n_steps, 1.0)
        price = start * (end / start) ** progress / self.encoder.input_shape[1]
        return price * nats

    def virtual_adversarial_loss(self, x: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns `losses.virtual_adversarial` of `self.classifier`, as the flags `--vat_` say."""
        classify = layers.with_same_draws(self.classifier, self.flags.seed, step)
        seed = self.seed("adversarial direction", step)
        radius, xi = self.flags.vat_radius, self.flags.vat_xi
        return losses.virtual_adversarial(classify, x, seed, radius, xi)

    def clustering_loss(self, y: tf.Tensor) -> tf.Tensor:
        """Returns what `losses.imbalance` and `losses.entropy` of labels cost, as the flags say."""
        imbalance, entropy = losses.imbalance(y), losses.entropy(y)
        return self.flags.balance_weight * imbalance + self.flags.entropy_weight * entropy

    def sample_prior(self, n: int, step: tf.Tensor | str) -> tf.Tensor:
        """Returns n samples of the prior, float32 [n, z_dim], the same ones for the same step.

        Outside training what they are for, by name, stands in place of the step: see `seed`.
        """
        return self.prior.sample(n, self.seed("prior", step))

    def seed(self, purpose: str, step: tf.Tensor | str) -> tf.Tensor:
        """Returns the seed of a draw, a function of `--seed`, the draw's purpose and the step.

        Args:
          purpose: what is drawn, `prior` for example.
          step: int64 scalar; outside training what the draw is used for, such as `pictures`, see
            `randomness.stateless_seed`.
        """
        return randomness.stateless_seed(self.flags.seed, purpose, step)

    def on_epoch_end(self, step: int, losses: Mapping[str, float]) -> dict[str, float] | None:
        """Is called at the end of each epoch; does nothing unless a script overrides it.

        Whatever it keeps for the next epoch belongs into a `tf.Variable`, which checkpoints hold:
        a run that is resumed then goes on as if it had never stopped. To end the training, set
        `stop_training`.

        Args:
          step: how many steps are done.
          losses: those of the last of them by name, and the validation accuracy if there is one.

        Returns:
          Numbers by name, for the epoch's line in the log and for TensorBoard.
        """

    def encode(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the codes of images, float32 [n, z_dim]; of drawn codes, the mean."""
        return self.encoder(x)

    def draw_codes(self, images: np.ndarray) -> np.ndarray:
        """Returns codes as in training, float32 [n, z_dim]; the same ones every time.

        Where they are drawn (see `code_noise`), the mean is what `encode` returns.

        Args:
          images: see `inference.encode`.
        """
        z, stddev = inference.encode(self.encode, images), self.code_noise(images)
        if stddev is None:
            return z
        noise = randomness.numpy_generator(0, "codes").standard_normal(z.shape, np.float32)
        return z + noise * stddev

    def code_noise(self, images: np.ndarray) -> np.ndarray | None:
        """Returns the standard deviation of the codes of images around their mean.

        With a `gaussian` or `gated` encoder codes are drawn, so that together they are spread like
        the prior. A model whose train step draws them otherwise overrides this method.

        Args:
          images: see `inference.encode`.

        Returns:
          float32 [n, z_dim], or None where the decoder gets what `encode` returns.
        """
        stddev = layers.code_stddev(self.encoder)
        return None if stddev is None else inference.encode(stddev, images)

    def decode(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Returns images, float32 [n, input_dim] in [0, 1], of codes and (where used) labels."""
        raise NotImplementedError

    def reconstruct(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Encodes and decodes images."""
        return self.decode(self.encode(x), y)

    def exports(self) -> dict[str, keras.Model]:
        """Returns the networks that are exported, by the name of their file."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def example_images(self, x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns images and what the model makes of them, for TensorBoard, by name."""
        return {"Input Images": x, "Generated Images": self.reconstruct(x, y)}

    def histograms(self, x: tf.Tensor, y: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what TensorBoard shows as histograms, by name."""
        raise NotImplementedError

    def pictures(self, data: Dataset) -> dict[str, np.ndarray]:
        """Returns the pictures by name, uint8 [height, width, channels]."""
        raise NotImplementedError
