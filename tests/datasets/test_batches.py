"""Which images a step gets."""

from adversarial_autoencoder.datasets import batches
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
import tensorflow as tf


def int64(step):
    return tf.constant(step, tf.int64)


def make_batches(data):
    return batches.Batches(data.train, data.n_classes, batch_size=10, seed=0)


def first_batch(data):
    train_batches = make_batches(data)
    return train_batches.batch(int64(0), train_batches.order(0))


def test_drawn_batches_keep_images_and_labels_together_and_depend_on_the_step(data):
    train_batches = make_batches(data)
    x, y = train_batches.draw(int64(3), "a purpose")
    train = data.train
    label_of = {
        image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)
    }
    for image, one_hot in zip(np.rint(x.numpy() * 255).astype(np.uint8), y.numpy(), strict=True):
        assert label_of[image.tobytes()] == one_hot.argmax()
    np.testing.assert_array_equal(train_batches.draw(int64(3), "a purpose")[0], x)
    assert (train_batches.draw(int64(4), "a purpose")[0] != x).numpy().any()


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order(data):
    train_batches = make_batches(data)

    def epoch(k):
        steps = range(k * train_batches.per_epoch, (k + 1) * train_batches.per_epoch)
        x = np.concatenate(
            [train_batches.batch(int64(s), train_batches.order(s))[0] for s in steps]
        )
        return np.rint(x * 255).astype(np.uint8)

    first, second = epoch(0), epoch(1)
    everything = data.train.images.reshape(len(data.train), -1)
    np.testing.assert_array_equal(np.unique(first, axis=0), np.unique(everything, axis=0))
    np.testing.assert_array_equal(np.unique(second, axis=0), np.unique(first, axis=0))
    assert (first != second).any()


def test_a_batch_keeps_images_and_labels_together(data):
    x, y = first_batch(data)
    assert x.dtype == y.dtype == tf.float32
    train = data.train
    pictures = {
        image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)
    }
    for image, one_hot in zip(np.rint(x.numpy() * 255).astype(np.uint8), y.numpy(), strict=True):
        assert one_hot.sum() == 1
        assert pictures[image.tobytes()] == one_hot.argmax()


def test_a_batch_larger_than_the_data_is_an_error(data):
    with pytest.raises(UserError, match="--batch_size=111, but .* 110 training images"):
        batches.steps_per_epoch(data, 111)
