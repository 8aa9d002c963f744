"""Disentangling factors of variation: what an image shows apart from how, also for unseen things.

An encoder gives two codes: s, of what makes images show the same thing (a digit, a letter, a face),
and z, of all the rest. Its only labels are which images show the same thing. Two of those may swap
s, and each is still reconstructed. Where two images of different things swap s nobody knows what
the result should look like; a discriminator that gets the label of s asks that it look like an
image of that label, so z cannot carry the label. Mathieu et al. 2016, section 4 and algorithm 1.

    python experiments/disentangling_factors.py --train   trains, into Results/Disentangling/
    python experiments/disentangling_factors.py --train --dataset=glyphs_letters --unseen=A,G,R

Without --train it loads the newest run and draws its pictures again.
"""

import functools

from adversarial_autoencoder import (
    datasets,
    inference,
    layers,
    losses,
    measures,
    model,
    options,
    pictures,
    randomness,
    training,
)
from adversarial_autoencoder.datasets import batches, glyphs
from adversarial_autoencoder.measures import formulas
from adversarial_autoencoder.system import devices
from adversarial_autoencoder.system.errors import UserError

import keras
import numpy as np
import tensorflow as tf

DEFAULTS = dict(
    z_dim=16,
    batch_size=64,
    n_epochs=11,
    initializer="he",
    batch_norm=True,
    learning_rate=0.001,
    learning_rate_drops="8,10",
    beta1=0.5,
)
UNUSED = ("n_l1", "n_l2", "dropout", "generate", "visualize", "streaming")

# Side of the kernel, planes in multiples of --n_filters, stride; the supplement's two sizes.
CONVOLUTIONS = {
    "small": ((5, 2, 2), (5, 4, 2), (5, 8, 2)),
    "big": ((3, 2, 1), (3, 2, 2), (3, 4, 1), (3, 4, 2), (3, 8, 1), (3, 8, 2)),
}
# Test images: things in a picture, and those searched for the nearest of one, and how many.
SHOWN, RETRIEVED_AMONG, NEIGHBOURS = 10, 4000, 8


class Triplets(batches.Batches):
    """Triplets of images (x1, x1', x2), the first two of the same identity.

    Raises:
      UserError: there are fewer than two identities or triplets, or one identity has a single
        image.
    """

    def __init__(self, data, split, batch_size, seed):
        super().__init__(split, data.n_classes, batch_size, seed)
        if batch_size < 2:
            raise UserError("--batch_size=1: x2 is the x1 of another triplet, so give 2 or more")
        counts = np.bincount(split.labels, minlength=data.n_classes)
        if np.sum(counts > 0) < 2:
            raise UserError(
                f"the {len(split)} training images of {data.name} show one identity only: give "
                f"images of two or more"
            )
        if np.any(counts == 1):
            name = data.class_names[np.flatnonzero(counts == 1)[0]]
            raise UserError(
                f"{data.name}: of identity {name} there is one training image only (a twelfth of "
                f"all are kept for validation), and two are needed to swap codes: add some"
            )
        self.sorted = tf.constant(np.argsort(split.labels, kind="stable"), tf.int32)
        self.counts = tf.constant(counts, tf.int32)
        self.starts = tf.constant(np.cumsum(counts) - counts, tf.int32)

    def triplets(self, step):
        """Returns images x1, x1', x2 and identities y1, y2, one-hot; see `Batches.batch`.

        x1 is any image and x1' any other of its identity. x2, also any, is the x1 of the next
        triplet, so that one pass of the encoder serves both.
        """
        seeds = (randomness.stateless_seed(self.seed, p, step) for p in ("x1", "x1'"))
        seed, seed_of_other = seeds
        n = len(self.labels)
        place = tf.random.stateless_uniform([self.batch_size], seed, 0, n, tf.int32)
        label = tf.gather(self.labels, tf.gather(self.sorted, place))
        start, count = tf.gather(self.starts, label), tf.gather(self.counts, label)
        ahead = tf.random.stateless_uniform([self.batch_size], seed_of_other)
        ahead = 1 + tf.cast(ahead * tf.cast(count - 1, tf.float32), tf.int32)
        other = start + (place - start + ahead) % count
        place, other = (devices.own(tf.gather(self.sorted, k)) for k in (place, other))
        x1, y1 = self._examples(place)
        x1_other, _ = self._examples(other)
        return x1, x1_other, next_one(x1), y1, next_one(y1)


def next_one(rows):
    """Those of the next triplet in the batch, which another device may have."""
    return devices.own(tf.roll(devices.whole(rows), -1, axis=0))


def sizes(data, model_size):
    """Height and width of what goes into each convolution, and of what the last one gives."""
    found = [data.image_shape[:2]]
    for _, _, stride in CONVOLUTIONS[model_size]:
        if stride > 1 and min(found[-1]) < 2:
            height, width = found[0]
            raise UserError(
                f"{data.name}: its images, {height} x {width}, are too small for the strides of "
                f"the {model_size} network: at least 5 x 5 is needed, so enlarge them"
            )
        found.append(tuple(-(-side // stride) for side in found[-1]))
    return found


def convolved(convolution, data, flags, prefix):
    """Images, flat [batch, input_dim] in [0, 1], and what the convolutions make of them, flat."""
    x = keras.Input([data.input_dim], name="x")
    hidden = layers.input_pixels(x, flags.pixel_range)
    hidden = keras.layers.Reshape(data.image_shape)(hidden)
    for k, (kernel_size, planes, strides) in enumerate(CONVOLUTIONS[flags.model_size]):
        n_out, shape = planes * flags.n_filters, {"kernel_size": kernel_size, "strides": strides}
        hidden = convolution(hidden, n_out, f"{prefix}conv_{k + 1}", "relu", **shape)
    return x, keras.layers.Flatten()(hidden)


def encoder(dense, convolution, data, flags, specified=None):
    """Images, flat in [0, 1], to s [batch, s_dim], mean and standard deviation of z [batch, z_dim].

    With the network `specified`, trained before and frozen, s is what that one says.
    """
    x, hidden = convolved(convolution, data, flags, "e_")
    s = specified(x, training=False) if specified else dense(hidden, flags.s_dim, "e_specified")
    mean = dense(hidden, flags.z_dim, "e_latent_variable")
    stddev = dense(hidden, flags.z_dim, "e_latent_stddev", "softplus")
    return keras.Model(x, [s, mean, stddev], name="encoder")


def specified_encoder(dense, convolution, data, flags):
    """Images, flat in [0, 1], to s [batch, s_dim], by convolutions of its own."""
    x, hidden = convolved(convolution, data, flags, "s_")
    return keras.Model(x, dense(hidden, flags.s_dim, "s_specified"), name="specified_encoder")


def identity_classifier(dense, data, flags):
    """The two layers upon s [batch, s_dim] that teach it: logits [batch, n_classes]."""
    s = keras.Input([flags.s_dim], name="s")
    hidden = dense(s, 256, "c_dense_1", "relu")
    return keras.Model(s, dense(hidden, data.n_classes, "c_output"), name="classifier")


def decoder(dense, convolution, data, flags):
    """Codes s and z to images, flat [batch, input_dim] in [0, 1]: the convolutions, mirrored."""
    s, z = keras.Input([flags.s_dim], name="s"), keras.Input([flags.z_dim], name="z")
    convolutions, shapes = CONVOLUTIONS[flags.model_size], sizes(data, flags.model_size)
    planes = [n * flags.n_filters for _, n, _ in convolutions]
    shape = (*shapes[-1], planes[-1])
    bias = {"use_bias": not flags.batch_norm}
    maps = [dense(c, int(np.prod(shape)), f"d_dense_{n}", **bias) for c, n in ((s, "s"), (z, "z"))]
    hidden = keras.layers.Reshape(shape)(keras.layers.Add()(maps))
    if flags.batch_norm:
        hidden = layers.batch_normalization("d_dense_batch_norm")(hidden)
    hidden = keras.layers.ReLU()(hidden)
    for k in reversed(range(len(convolutions))):
        kernel_size, _, strides = convolutions[k]
        enlarge = functools.partial(
            convolution, kernel_size=kernel_size, strides=strides, size=shapes[k]
        )
        if k:
            hidden = enlarge(hidden, planes[k - 1], f"d_conv_{k + 1}", "relu")
    x = layers.output_pixels(enlarge, hidden, data.image_shape[-1], flags.pixel_range)
    x = keras.layers.Reshape([data.input_dim], dtype="float32")(x)
    return keras.Model([s, z], x, name="decoder")


def discriminator(dense, convolution, data, flags):
    """Identities, one-hot, and images, flat, to logits [batch, 1]: is it an image of that one?

    Each layer adds the plane that it has learned for the identity to all of its own.
    """
    y = keras.Input([data.n_classes], name="y")
    x = keras.Input([data.input_dim], name="x")
    hidden = keras.layers.Reshape(data.image_shape)(keras.layers.Rescaling(2.0, -1.0)(x))
    for k, shape in enumerate(sizes(data, "small")[1:]):
        n_out = 2 ** (k + 1) * flags.n_filters
        plane = dense(y, int(np.prod(shape)), f"dc_plane_{k + 1}")
        plane = keras.layers.Reshape((*shape, 1))(plane)
        settings = {"kernel_size": 5, "strides": 2, "added": plane}
        hidden = convolution(hidden, n_out, f"dc_conv_{k + 1}", "leaky_relu", **settings)
    logits = dense(keras.layers.Flatten()(hidden), 1, "dc_output")
    return keras.Model([y, x], logits, name="discriminator")


class AdversarialAutoencoder(model.Model):
    """The networks, an optimizer for each update, and what is done with them."""

    NAME = "Disentangling"
    MEASURES = (
        measures.measure_true_swaps,
        measures.measure_reconstruction,
        measures.measure_disentangling,
        measures.measure_neighbours,
        measures.measure_swaps,
    )

    def __init__(self, data, flags):
        super().__init__(data, flags)
        if flags.pretraining_epochs >= flags.n_epochs:
            raise UserError(
                f"--pretraining_epochs={flags.pretraining_epochs} leaves none of "
                f"--n_epochs={flags.n_epochs} for the second step: give fewer"
            )
        if flags.pretraining_epochs and flags.classification_weight:
            raise UserError(
                f"--classification_weight={flags.classification_weight} is of training in one "
                f"step: with --pretraining_epochs s learns to classify before, so omit one"
            )
        if flags.pretraining_epochs and flags.turned:
            raise UserError(
                f"--pretraining_epochs={flags.pretraining_epochs} teaches s the upright letters "
                f"alone: omit it or --turned"
            )
        shown = glyphs.turned(data) if flags.turned else data
        self.triplets = Triplets(shown, self.training_images(shown), flags.batch_size, flags.seed)
        self.per_epoch = data.n_training // flags.batch_size  # Of the letters as they are.
        start = {"initializer": flags.initializer, "seed": flags.seed}
        start |= {"batch_norm": flags.batch_norm, "batch_norm_bias": flags.batch_norm_bias}
        convolution = functools.partial(layers.convolution, **start)
        own = (self.dense, convolution, shown, flags)
        self.pretraining_steps, self.specified = 0, None
        if flags.pretraining_epochs:  # The two-step variant.
            self.pretraining_steps = flags.pretraining_epochs * self.per_epoch
            self.specified = specified_encoder(*own)
        self.encoder = encoder(*own, self.specified)
        self.encoder_of_z = keras.Model(self.encoder.input, self.encoder.outputs[1:])
        self.decoder = decoder(*own)
        self.discriminator = discriminator(*own)

        self.networks = [self.encoder, self.decoder, self.discriminator]
        if self.specified or flags.classification_weight:
            self.classifier = identity_classifier(self.dense, data, flags)
            self.networks.append(self.classifier)
        prefixes = ("e_", "d_", "c_") if flags.classification_weight else ("e_", "d_")
        self.autoencoder_variables = layers.variables(self.networks, *prefixes)
        self.discriminator_variables = layers.variables(self.networks, "dc_")

        self.autoencoder_optimizer = self.adam(self.autoencoder_variables)
        self.discriminator_optimizer = self.adam(
            self.discriminator_variables, flags.discriminator_rate
        )
        if self.specified:
            self.networks.append(self.specified)
            taught = [self.specified, self.classifier]
            self.specified_variables = layers.variables(taught, "s_", "c_")
            self.specified_optimizer = self.adam(self.specified_variables)

    @classmethod
    def load_data(cls, flags):
        where = (flags.dataset, flags.data_dir, flags.n_images)
        settings = {"image_size": flags.image_size, "ground": flags.ground, "unseen": flags.unseen}
        data = datasets.load(*where, by_identity=True, **settings)
        if len(data.test) <= NEIGHBOURS:
            raise UserError(
                f"{data.name} has {len(data.test)} test images, too few to show the "
                f"{NEIGHBOURS} nearest of one: add some"
            )
        if taken := {"identity", "factors"} & data.test.factors.keys():
            raise UserError(f"{data.name}: no factor can be called {min(taken)}: rename it")
        return data

    @tf.function
    def train_step(self, x, y, step):
        if not self.specified:
            return self.disentangle(step)
        # Two steps: first s learns to classify; then it is frozen, and the rest learns.
        return tf.cond(
            step < self.pretraining_steps,
            lambda: self.pretrain(x, y, step),
            lambda: self.disentangle(step),
        )

    def disentangle(self, step):
        flags = self.flags
        x1, x1_other, x2, y1, y2 = self.triplets.triplets(step)

        # The codes of a triplet, and the images decoded from z of x1 with s of each of the three.
        with tf.GradientTape() as tape:
            x_noisy = self.add_noise(tf.concat([x1, x1_other], 0), step)
            s, mean, stddev = self.codes(x_noisy)
            s1, s1_other = tf.split(s, 2)
            means, identity = mean, tf.concat([y1, y1], 0)
            mean, stddev = tf.split(mean, 2)[0], tf.split(stddev, 2)[0]
            z1 = mean + stddev * self.sample_prior(len(x1), step, "codes")
            x_hat = self.decoder(
                [tf.concat([s1, s1_other, next_one(s1)], 0), tf.tile(z1, [3, 1])], training=True
            )
            x11, x11_other, x12 = tf.split(x_hat, 3)

        # The adversary learns to tell images of an identity from those that took its s.
        discriminator_loss, accuracy = self.train_discriminator(x2, x12, y2)

        # Encoder and decoder learn to reconstruct x1, also by the s of another image of its
        # identity, and to fool the adversary.
        with tape:
            kind = flags.reconstruction_loss
            autoencoder_loss = losses.reconstruction(x1, x11, kind)
            swap_loss = losses.reconstruction(x1, x11_other, kind)
            kl_loss = losses.kl_to_standard_normal(mean, stddev)
            loss = flags.reconstruction_weight * autoencoder_loss
            loss += flags.swap_weight * swap_loss
            loss += self.kl_weight(step) / x1.shape[1] * kl_loss
            generator_loss = tf.constant(0.0)
            if flags.adversarial_weight:
                generator_loss = losses.generator(self.discriminator([y2, x12], training=True))
                loss += flags.adversarial_weight * generator_loss
            if flags.sampled_weight:
                z = self.sample_prior(len(x1), step)
                sampled = self.decoder([next_one(s1), z], training=True)
                logits = self.discriminator([y2, sampled], training=True)
                loss += flags.sampled_weight * losses.generator(logits)
            dependence = losses.dependence(means, identity)
            loss += flags.dependence_weight * dependence
            classification_loss = tf.constant(0.0)
            if flags.classification_weight:
                logits = self.classifier(s, training=True)
                classification_loss = losses.classification(identity, logits)
                loss += flags.classification_weight * classification_loss
        gradients = tape.gradient(loss, self.autoencoder_variables)
        self.autoencoder_optimizer.apply(gradients)

        return self.all_losses(
            {
                "Autoencoder Loss": autoencoder_loss,
                "Swap Loss": swap_loss,
                "KL Loss": kl_loss,
                "Generator Loss": generator_loss,
                "Discriminator Loss": discriminator_loss,
                "Discriminator Accuracy": accuracy,
                "Dependence Loss": dependence,
                "Classification Loss": classification_loss,
            }
        )

    def codes(self, x):
        """s, mean and standard deviation of z, for training; s of a frozen network by itself.

        Keras would pass `training=True` on to it, and its normalization would go on learning.
        """
        if self.specified:
            return self.specified(x, training=False), *self.encoder_of_z(x, training=True)
        return self.encoder(x, training=True)

    def kl_weight(self, step):
        """At first so large that z is shut: what s can say it learns to say before z opens."""
        epoch = tf.cast(step - self.pretraining_steps, tf.float32) / self.per_epoch
        more = tf.maximum(1 - epoch / self.flags.kl_epochs, 0)
        return self.flags.kl_weight * (1 + self.flags.kl_start * more)

    def train_discriminator(self, x2, x12, y2):
        """Updates the adversary, unless it is too good; returns its loss and accuracy."""
        if not (self.flags.adversarial_weight or self.flags.sampled_weight):
            return tf.constant(0.0), tf.constant(0.0)
        with tf.GradientTape() as tape:
            # Each by itself: normalized together, the one kind would give away the other.
            real = self.discriminator([y2, x2], training=True)
            fake = self.discriminator([y2, tf.stop_gradient(x12)], training=True)
            loss = losses.discriminator(real, fake, 1 - self.flags.label_smoothing)
        right = tf.concat([real > 0, fake < 0], 0)
        accuracy = devices.mean(tf.reduce_mean(tf.cast(right, tf.float32)))
        self.discriminator_optimizer.apply_if(
            accuracy < self.flags.discriminator_ceiling,
            lambda: tape.gradient(loss, self.discriminator_variables),
            self.discriminator_variables,
        )
        return loss, accuracy

    def pretrain(self, x, y, step):
        with tf.GradientTape() as tape:
            s = self.specified(self.add_noise(x, step), training=True)
            loss = losses.classification(y, self.classifier(s, training=True))
        gradients = tape.gradient(loss, self.specified_variables)
        self.specified_optimizer.apply(gradients)
        return self.all_losses({"Classification Loss": loss})

    def all_losses(self, found):
        """The losses of a step; of two steps, with 0 for those of the other one."""
        if not self.specified:
            return found
        # Both must return the same names: one that is added to a step is added here too.
        names = ["Autoencoder Loss", "Swap Loss", "KL Loss", "Generator Loss"]
        names += ["Discriminator Loss", "Discriminator Accuracy", "Dependence Loss"]
        return dict.fromkeys([*names, "Classification Loss"], tf.constant(0.0)) | found

    def sample_prior(self, n, step, purpose="prior"):
        return randomness.normal([n, self.flags.z_dim], self.seed(purpose, step))

    def encode(self, x):
        return self.encoder(x)[1]

    def all_codes(self, split):
        """Codes of all images of a split: `s` [n, s_dim]; `z` and its `z_mean` [n, z_dim]; float32.

        z is drawn, always with the same noise: that is the code that the decoder learned from.
        """
        codes = inference.encode(lambda x: tf.concat(self.encoder(x), 1), split.images)
        s, mean, stddev = np.split(codes, [self.flags.s_dim, -self.flags.z_dim], axis=1)
        generator = randomness.numpy_generator(0, "z of images")
        z = mean + stddev * generator.standard_normal(mean.shape, np.float32)
        return {"z": z, "z_mean": mean, "s": s}

    def decode_both(self, s, z):
        """Images, flat float32 [n, input_dim], of codes, in parts."""
        return inference.generate(lambda *codes: self.decoder(codes), s, z)

    def reconstruct(self, x, y):
        s, z, _ = self.encoder(x)
        return self.decoder([s, z])

    def histograms(self, x, y, step):
        return {
            "Encoder Distribution": self.draw_codes(x),
            "Real Distribution": self.sample_prior(len(x), step),
            "Specified Distribution": self.encoder(x)[0],
        }

    def shown(self, data):
        """Test images to make pictures of, and which to show, each of another identity."""
        # Drawn, one of each identity first: sorted data would begin with one pose of all.
        pool = data.test.one_of_each(RETRIEVED_AMONG, self.flags.seed)
        return pool, np.arange(min(SHOWN, len(pool)))

    def pictures(self, data):
        """The paper's four: swapped codes, interpolated codes, nearest neighbours, new images."""
        pool, rows = self.shown(data)
        codes = self.all_codes(pool)
        s, z, x, n = codes["s"][rows], codes["z_mean"][rows], pool.images[rows], len(rows)
        shown = functools.partial(pictures.style_grid, n_classes=NEIGHBOURS, sources=x)

        def nearest(codes):
            return formulas.neighbours(codes, rows, NEIGHBOURS).ravel()

        new = self.sample_prior(NEIGHBOURS * n, "pictures").numpy()
        return {
            "swaps": self.swaps(data, s, z, x),
            "interpolation": self.interpolation(data, s[[0, -1]], z[[0, -1]], x[[0, -1]]),
            "neighbours_by_s": shown(pool.images[nearest(codes["s"])]),
            "neighbours_by_z": shown(pool.images[nearest(codes["z_mean"])]),
            "generated": shown(data.as_images(self.decode_both(s.repeat(NEIGHBOURS, axis=0), new))),
        }

    def swaps(self, data, s, z, x):
        """s of the image at the top of each column, z of the one that begins the row."""
        n = len(x)
        swapped = self.decode_both(np.tile(s, [n, 1]), z.repeat(n, axis=0))
        return pictures.swap_grid(x, data.as_images(swapped))

    def interpolation(self, data, s, z, x, n=8):
        """From one image, top left, to another, bottom right: s along rows, z along columns."""
        part = np.linspace(0, 1, n, dtype=np.float32)[:, np.newaxis]
        s, z = (codes[0] + part * (codes[1] - codes[0]) for codes in (s, z))
        between = self.decode_both(np.tile(s, [n, 1]), z.repeat(n, axis=0))
        between = pictures.as_uint8(data.as_images(between))
        between[[0, -1]] = x
        return pictures.grid(between, n)


def define_flags(flags):
    weight = functools.partial(options.number, flags, least=0)
    options.define_pixel_range(flags)
    options.integer(flags, "s_dim", 16, "dimensions of the latent code s")
    options.choice(
        flags, "model_size", "small", tuple(CONVOLUTIONS), "small: 3 convolutions, big: 6"
    )
    options.integer(flags, "n_filters", 16, "the first convolution has twice as many filters")
    # Pixels lie in [0, 1]; the authors' in [-1, 1], where squared errors are four times as large:
    # their weights 0.5 and 1 are 2 and 4 here.
    weight("reconstruction_weight", 1.0, "weight of the reconstruction of x1 (authors: 2)")
    weight("swap_weight", 5.0, "weight of its reconstruction with another s (authors: 4)")
    weight("adversarial_weight", 0.02, "weight of fooling the discriminator (authors: 0.01)")
    weight("sampled_weight", 0.0, "the same for z drawn from N(0, 1); the paper calls it unstable")
    weight("dependence_weight", 4.0, "weight of the dependence of z on the identity; ours")
    weight("classification_weight", 0.0, "weight of classifying images by s, in one step; ours")
    weight("kl_weight", 9.0, "weight of KL(z || N(0, 1)) / n_pixels (authors: 0.6)")
    weight("kl_start", 10.0, "times kl_weight, added at the start and annealed to 0")
    options.number(flags, "kl_epochs", 1.0, "epochs over which kl_start is annealed to 0")
    rate = "learning-rate multiplier for the discriminator"
    options.number(flags, "discriminator_rate", 1.0, rate)
    smoothing = "label smoothing: the target of real images is 1 minus this"
    weight("label_smoothing", 0.05, smoothing, most=options.BELOW_1)
    options.number(
        flags,
        "discriminator_ceiling",
        0.8,
        "train the discriminator only below this accuracy; 2: always",
    )
    options.integer(
        flags,
        "pretraining_epochs",
        0,
        "epochs of training s to classify before it is frozen; 0: train all at once",
        least=0,
    )
    options.names(flags, "unseen", "names of classes held out for testing, such as A,G,R")
    options.boolean(
        flags, "turned", False, "learn from 240,000 glyphs, also turned and mirrored ones"
    )


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags, UNUSED)
    return training.main(AdversarialAutoencoder, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
