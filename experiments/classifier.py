"""The baseline of part 4: a classifier that learns from the known labels only.

The network is part 4's encoder without its code. With `--vat_radius` it also learns from all other
images, by virtual adversarial training: what that reaches without an autoencoder.

    python experiments/classifier.py --train   trains, into Results/Classifier/

Without --train it loads the newest run and draws its pictures again.
"""

from adversarial_autoencoder import layers, losses, measures, options, training
from adversarial_autoencoder.datasets import labeled_batches
from adversarial_autoencoder.model import Model

import keras
import tensorflow as tf

DEFAULTS = dict(
    z_dim=10,
    n_epochs=5,
)
UNUSED = ("z_dim", "reconstruction_loss", "generate", "visualize")


def classifier(dense, data, flags):
    """Images, flat [batch, input_dim] in [0, 1], to the labels' logits [batch, n_classes]."""
    x = keras.Input([data.input_dim], name="x")
    hidden = dense(x, flags.n_l1, "e_dense_1", "relu")
    hidden = dense(hidden, flags.n_l2, "e_dense_2", "relu")
    logits = dense(hidden, data.n_classes, "e_label", normalized=flags.batch_norm)
    return keras.Model(x, logits, name="classifier")


class Classifier(Model):
    """The network, its optimizer, and what is shown and measured of it."""

    NAME = "Classifier"
    LABELS = "some"
    MEASURES = [
        measures.measure_classification,
    ]

    def __init__(self, data, flags):
        super().__init__(data, flags)
        self.labeled = labeled_batches(data, flags.n_labeled, flags.batch_size, flags.seed)

        self.classifier = classifier(self.encoder_dense, data, flags)
        self.encoder = self.classifier  # In TensorBoard's projector its logits stand for codes.

        self.networks = [self.classifier]
        self.classifier_variables = layers.variables(self.networks, "e_")

        self.classifier_optimizer = self.adam(self.classifier_variables)

    @tf.function
    def train_step(self, x, y, step):
        # Classification phase, as in part 4; x, whose labels are not used, is for VAT alone.
        x_labeled, y_labeled = self.labeled.draw(step, "labelled batch")
        x_noisy = self.add_noise(x_labeled, step, "noise on labelled batch")
        with tf.GradientTape() as tape:
            logits = self.classifier(x_noisy, training=True)
            classification_loss = losses.classification(y_labeled, logits)
            classify = layers.with_same_draws(self.classifier, self.flags.seed, step)
            seed = self.seed("adversarial direction", step)
            radius = self.flags.vat_radius
            classification_loss += losses.virtual_adversarial(classify, x, seed, radius)
        gradients = tape.gradient(classification_loss, self.classifier_variables)
        self.classifier_optimizer.apply(gradients)

        return {
            "Supervised Encoder Loss": classification_loss,
        }

    def classify(self, x):
        return tf.nn.softmax(self.classifier(x))

    def exports(self):
        return {"classifier": self.classifier}

    def example_images(self, x, y):
        return {"Input Images": x}

    def histograms(self, x, y, step):
        return {
            "Encoder Categorical Distribution": self.classify(x),
        }

    def pictures(self, data):
        """None of its own; those of all classifiers: the confusion matrix and the mistakes."""
        return {}


def define_flags(flags):
    options.integer(flags, "n_labeled", 1000, "images whose label is used; 0: all", least=0)
    radius = "radius of the virtual adversarial perturbation; 0: off"
    options.number(flags, "vat_radius", 0.0, radius, least=0)


def main(argv):
    flags = options.parse(argv, __doc__, DEFAULTS, define_flags, UNUSED)
    return training.main(Classifier, flags)


def train(**settings):
    """Trains from Python, the settings being the flags, and returns the run."""
    return main(options.command_line(train=True, **settings))


if __name__ == "__main__":
    options.exit_on_user_error(main)
